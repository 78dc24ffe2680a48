"""Puts of small objects into S3 by one signed request, at less than half the cost of `put_object`.

For each object `put_object` resolves the endpoint, validates, serializes, calls about thirty
hooks and builds a User-Agent: 0.6 ms in which the interpreter runs no other thread. Here the client
does this once. Its credentials, its connections (with proxies and certificates), its
`before-send` hook and its error parser are reused; the signature is botocore's.
"""

import base64
import hashlib
from typing import Any

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.exceptions import ClientError
from botocore.parsers import create_parser
from botocore.utils import percent_encode

_KEY = "key"
_FAKE_STATUS = 200
_SIGNED_AS = ("v4", "s3")
_REDIRECT_STATUSES = range(300, 400)
_FIRST_ERROR_STATUS = 400

# The characters that botocore does not escape in the path of an object (its `SAFE_CHARS`).
_SAFE = "/~"


class SmallPut:
    """Puts objects into a bucket.

    `can_send` is False if the client has no credentials, or if the bucket is of a kind whose
    requests are signed in another way, such as an access point on an Outpost.
    """

    def __init__(self, client: Any, credentials: Any, bucket: str) -> None:
        self._client = client
        self._credentials = credentials
        self._connections = client._endpoint.http_session
        self._shape = client.meta.service_model.operation_model("PutObject").output_shape
        url, signing = _destination(client, bucket)
        self._base = url.removesuffix(_KEY)
        self._region = signing.get("region")
        self.can_send = (
            credentials is not None
            and url.endswith(f"/{_KEY}")
            and (signing.get("auth_type"), signing.get("signing_name")) == _SIGNED_AS
        )

    def send(self, key: str, body: bytes, headers: dict[str, str]) -> bool:
        """Put an object; return False after a redirect, which the client itself can follow.

        `Content-MD5` is computed unless it is given.
        Raises ClientError and BotoCoreError, as the client does.
        """
        md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode("ascii")
        url = self._base + percent_encode(key, safe=_SAFE)
        request = AWSRequest("PUT", url, {"Content-MD5": md5, **headers}, body)
        frozen = self._credentials.get_frozen_credentials()
        S3SigV4Auth(frozen, "s3", self._region).add_auth(request)
        response = self._exchange(request.prepare())
        if response.status_code in _REDIRECT_STATUSES:
            return False
        if response.status_code >= _FIRST_ERROR_STATUS:
            raise ClientError(self._parse(response), "PutObject")
        return True

    def _exchange(self, prepared: Any) -> Any:
        hooked = self._client.meta.events.emit_until_response(
            "before-send.s3.PutObject", request=prepared
        )
        response = hooked[1] if hooked[0] is not None else None
        return self._connections.send(prepared) if response is None else response

    def _parse(self, response: Any) -> dict[str, Any]:
        raw = {
            "headers": response.headers,
            "status_code": response.status_code,
            "body": response.content,
            "context": {},
        }
        parsed: dict[str, Any] = create_parser("rest-xml").parse(raw, self._shape)
        return parsed


def _destination(client: Any, bucket: str) -> tuple[str, dict[str, Any]]:
    """Return the URL that the client would put an object to, and how it would sign the request.

    Nothing is sent. The region of an access point is that of its ARN.
    """
    found: list[tuple[str, dict[str, Any]]] = []

    def intercept(params: dict[str, Any], **_: object) -> tuple[AWSResponse, dict[str, Any]]:
        context = params["context"]
        signing = {**context.get("signing", {}), "auth_type": context.get("auth_type")}
        found.append((params["url"], signing))
        return AWSResponse(params["url"], _FAKE_STATUS, {}, None), {}

    event = "before-call.s3.PutObject"
    client.meta.events.register(event, intercept)
    client.put_object(Bucket=bucket, Key=_KEY)
    client.meta.events.unregister(event, intercept)
    return found[0]
