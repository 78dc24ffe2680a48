"""A small object into S3 by one signed request, at under half of what `put_object` costs.

For each object `put_object` finds the endpoint, validates, serializes, asks some thirty hooks
and puts a User-Agent together: 0.6 ms in which the interpreter takes no event. Here the client
does so once, and lends its credentials, its connections (with proxies and certificates), its
`before-send` hook and its way to read an error; the signature is botocore's.
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
_NOTHING_SENT = 200
_REDIRECTED = range(300, 400)
_FAILED = 400

# What botocore leaves as it is in a path (its `SAFE_CHARS` for Amazon S3's keys).
_SAFE = "/~"


class SmallPut:
    """Puts into a client's bucket. `can_send` says whether the client has what it takes."""

    def __init__(self, client: Any, credentials: Any, bucket: str) -> None:
        self._client = client
        self._credentials = credentials
        self._connections = client._endpoint.http_session
        self._shape = client.meta.service_model.operation_model("PutObject").output_shape
        self._base = _url(client, bucket).removesuffix(_KEY)
        self.can_send = credentials is not None

    def send(self, key: str, body: bytes, headers: dict[str, str]) -> bool:
        """Put an object; False if the service wants it elsewhere, which the client can follow.

        Raises what the client does: ClientError, BotoCoreError.
        """
        md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode("ascii")
        url = self._base + percent_encode(key, safe=_SAFE)
        request = AWSRequest("PUT", url, {**headers, "Content-MD5": md5}, body)
        frozen = self._credentials.get_frozen_credentials()
        S3SigV4Auth(frozen, "s3", self._client.meta.region_name).add_auth(request)
        answer = self._exchange(request.prepare())
        if answer.status_code in _REDIRECTED:
            return False
        if answer.status_code >= _FAILED:
            raise ClientError(self._parsed(answer), "PutObject")
        return True

    def _exchange(self, prepared: Any) -> Any:
        hooked = self._client.meta.events.emit_until_response(
            "before-send.s3.PutObject", request=prepared
        )
        answer = hooked[1] if hooked[0] is not None else None
        return self._connections.send(prepared) if answer is None else answer

    def _parsed(self, answer: Any) -> dict[str, Any]:
        response = {
            "headers": answer.headers,
            "status_code": answer.status_code,
            "body": answer.content,
            "context": {},
        }
        parsed: dict[str, Any] = create_parser("rest-xml").parse(response, self._shape)
        return parsed


def _url(client: Any, bucket: str) -> str:
    """Where the client would put an object, from what it is about to send; nothing is sent."""
    urls: list[str] = []

    def note(params: dict[str, Any], **_: object) -> tuple[AWSResponse, dict[str, Any]]:
        urls.append(params["url"])
        return AWSResponse(params["url"], _NOTHING_SENT, {}, None), {}

    event = "before-call.s3.PutObject"
    client.meta.events.register(event, note)
    client.put_object(Bucket=bucket, Key=_KEY)
    client.meta.events.unregister(event, note)
    return urls[0]
