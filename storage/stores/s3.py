"""Amazon S3, or a service with the same protocol, as the store.

Only this module, `small_put` and `connections` import boto3 and botocore. Their retries are turned
off, because the uploader retries.
"""

import base64
import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import urlsplit, urlunsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

from logs.events import get_logger
from storage.stores.connections import Connections
from storage.stores.deadlines import Deadlines
from storage.stores.small_put import SmallPut
from storage.stores.store import DEFAULT_MAX_GET_BYTES, ObjectTooLarge, StoredObject, StoreError

_log = get_logger(__name__)

_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 30
_CHUNK_BYTES = 256 * 1024

# Bodies up to this size are sent from memory, in one request without `Expect: 100-continue`.
_SMALL_BYTES = 256 * 1024

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_TRANSIENT_CODES = frozenset(
    {
        "BadDigest",
        "ConditionalRequestConflict",
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
    }
)
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
_OBJECT_EXISTS_CODES = frozenset({"PreconditionFailed", "412"})
_UNSUPPORTED_CODES = frozenset({"NotImplemented", "501", "InvalidArgument", "InvalidRequest"})

_TRANSIENT_STATUSES = frozenset({408, 409, 429})

# After these errors, read the credentials again: boto3 reads their files only once, and an operator
# may have changed them.
_CREDENTIAL_CODES = frozenset(
    {
        "AccessDenied",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "NoCredentialsError",
        "PartialCredentialsError",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    }
)
_RENEWAL_INTERVAL_S = 5.0


@dataclass(frozen=True, slots=True)
class Encryption:
    """Encryption at rest, requested for each object: `AES256`, or `aws:kms` with a key.

    Without a key id, S3 uses the key that it manages for the account.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html
    """

    algorithm: str
    kms_key_id: str | None = None

    def headers(self) -> dict[str, str]:
        """Return the header fields of a PUT."""
        prefix = "x-amz-server-side-encryption"
        key = {f"{prefix}-aws-kms-key-id": self.kms_key_id} if self.kms_key_id else {}
        return {prefix: self.algorithm, **key}

    def parameters(self) -> dict[str, str]:
        """Return the same as parameters of `put_object`."""
        key = {"SSEKMSKeyId": self.kms_key_id} if self.kms_key_id else {}
        return {"ServerSideEncryption": self.algorithm, **key}


class S3Store:
    """Objects in one bucket, which may be named by an access point's ARN or alias.

    `connections` is the number of threads that may put objects concurrently. `conditional_writes`
    is `on` to put `create_only` objects with `If-None-Match: *`, `off` to put them without it, or
    `auto` to use it until the service reports that it does not support it. Without `encryption` the
    bucket's own default holds. Credentials come from boto3's own chain: environment, shared files,
    container or instance role. They are read again after the service has refused them. Raises
    StoreError if boto3 cannot use the configuration.

    The ETag of a response has to be there, but is not compared: it is the body's MD5 only without
    encryption by KMS, and Content-MD5 makes the service check the body that it received.
    """

    def __init__(
        self,
        bucket: str,
        *,
        region: str,
        endpoint_url: str | None,
        connections: int,
        conditional_writes: str = "auto",
        encryption: Encryption | None = None,
        max_get_bytes: int = DEFAULT_MAX_GET_BYTES,
    ) -> None:
        self._bucket = bucket
        self._max_get_bytes = max_get_bytes
        self.encryption = encryption
        self._is_conditional = conditional_writes != "off"
        self._may_fall_back = conditional_writes == "auto"
        # S3's requests are signed: a user and a password in the URL are of no use, and the texts of
        # errors would show them.
        self._endpoint_url = endpoint_url and _without_userinfo(endpoint_url)
        self._config = Config(
            region_name=region,
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            max_pool_connections=connections,
            retries={"total_max_attempts": 1},
            # Services other than Amazon's often support neither bucket host names nor checksum
            # trailers; Content-MD5 below protects the body with all of them.
            s3={"addressing_style": "path" if endpoint_url else "auto"},
            request_checksum_calculation="when_required",
        )
        self._deadlines = Deadlines()
        self._renewing = threading.Lock()
        with _as_store_error():
            try:
                self._connect()
            except ValueError as error:
                # botocore says no more about an endpoint that is no host name.
                raise StoreError("InvalidConfiguration", str(error), permanent=True) from error

    def _connect(self) -> None:
        session = boto3.session.Session()
        self._client = session.client("s3", endpoint_url=self._endpoint_url, config=self._config)
        endpoint = self._client._endpoint
        endpoint.http_session = Connections(
            endpoint.http_session, self._deadlines, self._max_get_bytes
        )
        self._small = SmallPut(self._client, session.get_credentials(), self._bucket)
        self._connected_at = time.monotonic()

    def _renew_credentials(self) -> None:
        with self._renewing:
            if time.monotonic() - self._connected_at >= _RENEWAL_INTERVAL_S:
                self._connect()

    def put(self, item: StoredObject) -> bool:
        """See `Store.put`."""
        if not (item.create_only and self._is_conditional):
            return self._put(item)
        try:
            return self._put(item, IfNoneMatch="*")
        except StoreError as error:
            if error.code in _UNSUPPORTED_CODES and self._may_fall_back:
                stored = self._put(item)
                self._fall_back(error)
                return stored
            if error.code in _OBJECT_EXISTS_CODES:
                return False
            raise

    def _fall_back(self, error: StoreError) -> None:
        self._is_conditional = False
        _log.warning(
            "store does not support conditional writes, objects may be replaced", cause=str(error)
        )

    def _put(self, item: StoredObject, **condition: str) -> bool:
        try:
            with _as_store_error(), item.open() as body:
                if not (item.size <= _SMALL_BYTES and self._put_small(item, body, condition)):
                    self._put_stream(item, body, condition)
        except StoreError as error:
            if error.code in _CREDENTIAL_CODES:
                self._renew_credentials()
            raise
        return True

    def _put_small(self, item: StoredObject, body: BinaryIO, condition: dict[str, str]) -> bool:
        if not self._small.can_send:
            return False
        headers = {"Content-Type": item.content_type}
        if self.encryption is not None:
            headers |= self.encryption.headers()
        if item.md5 is not None:
            headers["Content-MD5"] = _base64(item.md5)
        if condition:
            headers["If-None-Match"] = condition["IfNoneMatch"]
        is_stored = self._small.send(item.key, body.read(), headers)
        body.seek(0)
        return is_stored

    def _put_stream(self, item: StoredObject, body: BinaryIO, condition: dict[str, str]) -> None:
        encryption = self.encryption.parameters() if self.encryption is not None else {}
        self._client.put_object(
            **condition,
            **encryption,
            Bucket=self._bucket,
            Key=item.key,
            Body=body,
            ContentLength=item.size,
            ContentType=item.content_type,
            ContentMD5=_content_md5(item),
        )

    def get(self, key: str) -> bytes:
        """See `Store.get`."""
        with _as_store_error():
            found = self._client.get_object(Bucket=self._bucket, Key=key)
            if found["ContentLength"] > self._max_get_bytes:
                raise ObjectTooLarge(self._max_get_bytes)
            body: bytes = found["Body"].read()
            return body

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        with _as_store_error():
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def describe(self) -> str:
        """See `Store.describe`."""
        return f"s3://{self._bucket}"


def _without_userinfo(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")


def _content_md5(item: StoredObject) -> str:
    if item.md5 is not None:
        return _base64(item.md5)
    digest = hashlib.md5(usedforsecurity=False)
    with item.open() as body:
        while chunk := body.read(_CHUNK_BYTES):
            digest.update(chunk)
    return _base64(digest.digest())


@contextlib.contextmanager
def _as_store_error() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _from_response(error.response, str(error)) from error
    except (BotoConnectionError, HTTPClientError, OSError) as error:
        raise StoreError(type(error).__name__, str(error), permanent=False) from error
    # A response that is no XML, such as a web page, raises a ResponseParserError.
    except (BotoCoreError, ResponseParserError) as error:
        raise StoreError(type(error).__name__, str(error), permanent=True) from error


def _from_response(response: dict[str, Any], message: str) -> StoreError:
    code = str(response.get("Error", {}).get("Code", "Unknown"))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    transient = status >= 500 or status in _TRANSIENT_STATUSES or code in _TRANSIENT_CODES
    return StoreError(code, message, permanent=not transient)
