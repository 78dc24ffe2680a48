"""Amazon S3, or a service that speaks its protocol, as the store.

The one module that knows boto3. Its own retries are off: the shipper's are the only ones.
"""

import base64
import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from storage.store import StoredObject, StoreError

_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 30
_CHUNK_BYTES = 256 * 1024

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
_TRANSIENT_STATUSES = frozenset({408, 409, 429})


class S3Store:
    """Objects in one bucket.

    `connections` is how many threads may put at once. Credentials come from boto3's own
    chain: environment, shared files, container or instance role.
    """

    def __init__(
        self, bucket: str, *, region: str, endpoint_url: str | None, connections: int
    ) -> None:
        self._bucket = bucket
        config = Config(
            region_name=region,
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            max_pool_connections=connections,
            retries={"total_max_attempts": 1},
            # Services other than Amazon's often know no bucket host names and no checksum
            # trailers; Content-MD5 below protects the body everywhere.
            s3={"addressing_style": "path" if endpoint_url else "auto"},
            request_checksum_calculation="when_required",
        )
        self._client = boto3.session.Session().client(
            "s3", endpoint_url=endpoint_url, config=config
        )

    def put(self, item: StoredObject) -> None:
        """See `Store.put`."""
        with _as_store_error(), item.open() as body:
            self._client.put_object(
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
            body: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            return body

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        with _as_store_error():
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def describe(self) -> str:
        """See `Store.describe`."""
        return f"s3://{self._bucket}"


def _content_md5(item: StoredObject) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with item.open() as body:
        while chunk := body.read(_CHUNK_BYTES):
            digest.update(chunk)
    return base64.b64encode(digest.digest()).decode("ascii")


@contextlib.contextmanager
def _as_store_error() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _from_response(error.response, str(error)) from error
    except (BotoConnectionError, HTTPClientError, OSError) as error:
        raise StoreError(type(error).__name__, str(error), permanent=False) from error
    except BotoCoreError as error:
        raise StoreError(type(error).__name__, str(error), permanent=True) from error


def _from_response(response: dict[str, Any], message: str) -> StoreError:
    code = str(response.get("Error", {}).get("Code", "Unknown"))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    transient = status >= 500 or status in _TRANSIENT_STATUSES or code in _TRANSIENT_CODES
    return StoreError(code, message, permanent=not transient)
