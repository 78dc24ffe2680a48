"""Small puts send the request that `put_object` would send, and read its response the same way."""

import io
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

from storage.stores.s3 import Encryption, S3Store
from storage.stores.small_put import SmallPut
from storage.stores.store import StoredObject, StoreError
from tests.support.seaweed import Bucket

BODY = b'{"event_id":"a"}'
ENCRYPTION = Encryption("aws:kms", "alias/events")
HEADERS = {"Content-Type": "application/json", "If-None-Match": "*", **ENCRYPTION.headers()}
KEY = "events/year=2026/month=11/day=23/%5Fa-b_c.d.json"

# Header fields that may differ: S3 ignores them.
_INCIDENTAL = {"user-agent", "expect", "amz-sdk-invocation-id", "amz-sdk-request"}

PLACES = [
    ("my-bucket", "us-east-1", None),
    ("my-bucket", "eu-central-1", None),
    ("my-bucket", "cn-north-1", None),
    ("my.bucket", "ap-southeast-2", None),
    ("bucket", "us-east-1", "http://127.0.0.1:9"),
    ("bucket", "eu-west-1", "https://storage.example.com/base"),
    ("my-point-hrzrlukc5m36ft7okagglf3gmwluquse1b-s3alias", "eu-central-1", None),
    ("arn:aws:s3:eu-central-1:123456789012:accesspoint/my-point", "eu-central-1", None),
    # The region of the ARN wins.
    ("arn:aws:s3:us-west-2:123456789012:accesspoint/my-point", "eu-central-1", None),
]


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Any:
        yield self.read()


class Site:
    """A client whose requests are recorded, and responded to, before they are sent."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, bucket: str, region: str, endpoint: str | None
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
        session = boto3.session.Session()
        config = Config(
            region_name=region,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path" if endpoint else "auto"},
            request_checksum_calculation="when_required",
        )
        self.client = session.client("s3", endpoint_url=endpoint, config=config)
        self.small = SmallPut(self.client, session.get_credentials(), bucket)
        self.bucket = bucket
        self.response = (200, b"")
        self.sent: list[Any] = []
        self.client.meta.events.register("before-send.s3.PutObject", self._respond)

    def _respond(self, request: Any, **_: Any) -> AWSResponse:
        self.sent.append(request)
        status, body = self.response
        return AWSResponse(request.url, status, {"ETag": '"e"'}, _Raw(body))

    def put_small(self) -> bool:
        return self.small.send(KEY, BODY, HEADERS)

    def put_object(self) -> None:
        self.client.put_object(
            Bucket=self.bucket,
            Key=KEY,
            Body=io.BytesIO(BODY),
            ContentLength=len(BODY),
            ContentType="application/json",
            ContentMD5="Fw0xvmYb4BPV1XkOnm5Kag==",
            IfNoneMatch="*",
            **ENCRYPTION.parameters(),
        )


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def headers(request: Any) -> dict[str, str]:
    given = {name.lower(): text(value) for name, value in request.headers.items()}
    return {name: value for name, value in given.items() if name not in _INCIDENTAL}


@pytest.mark.parametrize(("bucket", "region", "endpoint"), PLACES)
def test_the_request_is_the_one_that_put_object_sends(
    monkeypatch: pytest.MonkeyPatch, bucket: str, region: str, endpoint: str | None
) -> None:
    site = Site(monkeypatch, bucket, region, endpoint)
    assert site.put_small()
    site.put_object()
    ours, theirs = site.sent
    assert urlsplit(theirs.url) == urlsplit(ours.url)
    assert (theirs.method, BODY) == (ours.method, ours.body)
    found, expected = headers(ours), headers(theirs)
    varying = {"authorization", "x-amz-date", "x-amz-content-sha256", "content-md5"}
    for name in varying:
        assert found[name]
    assert {k: v for k, v in expected.items() if k not in varying} == {
        k: v for k, v in found.items() if k not in varying
    }
    assert found["x-amz-security-token"] == "token"
    assert "aws:kms" == found["x-amz-server-side-encryption"]
    assert scope(expected["authorization"]) == scope(found["authorization"])
    signed = found["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert set() == set(ENCRYPTION.headers()) - set(signed), "these are not signed"


def scope(authorization: str) -> str:
    """Return the credential scope without its date: region, service and kind."""
    credential, _, _ = authorization.partition(",")
    return credential.split("/", 2)[2]


@pytest.mark.parametrize(
    "bucket",
    [
        "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-01ac5d28/accesspoint/my-point",
        "events--use1-az4--x-s3",
    ],
)
def test_what_is_signed_in_another_way_is_left_to_the_client(
    monkeypatch: pytest.MonkeyPatch, bucket: str
) -> None:
    assert not Site(monkeypatch, bucket, "us-east-1", None).small.can_send


def test_a_redirect_is_left_to_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(monkeypatch, *PLACES[0])
    site.response = (301, b"<Error><Code>PermanentRedirect</Code></Error>")
    assert not site.put_small()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (412, b"<Error><Code>PreconditionFailed</Code><Message>m</Message></Error>"),
        (403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"),
        (503, b"<Error><Code>SlowDown</Code><Message>m</Message></Error>"),
        (503, b""),
        (500, b"<html>not from S3</html>"),
        (404, b'<?xml version="1.0"?><Error><Code>NoSuchBucket</Code></Error>'),
        (400, b"\x00 not XML"),
    ],
)
def test_an_error_is_read_as_put_object_reads_it(
    monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    site = Site(monkeypatch, *PLACES[0])
    site.response = (status, body)
    assert error_of(site.put_object) == error_of(site.put_small)


def error_of(put: Any) -> tuple[str, int] | str:
    with pytest.raises(Exception) as caught:
        put()
    if not isinstance(caught.value, ClientError):
        return type(caught.value).__name__
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_without_credentials_the_client_reports_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(monkeypatch, *PLACES[0])
    assert site.small.can_send
    assert not partial(SmallPut, site.client, None)("bucket").can_send


def real_store(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, secret: str) -> S3Store:
    settings = bucket.settings
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", settings["AWS_ACCESS_KEY_ID"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    return S3Store(
        bucket.name,
        region=settings["AWS_REGION"],
        endpoint_url=settings["S3_ENDPOINT_URL"],
        connections=1,
    )


def stored(key: str, body: bytes) -> StoredObject:
    open_body = partial(io.BytesIO, body)
    return StoredObject(key, "application/json", len(body), open_body, create_only=True)


def test_a_server_that_checks_signatures_takes_it(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = real_store(bucket, monkeypatch, bucket.settings["AWS_SECRET_ACCESS_KEY"])
    bodies = {
        KEY: BODY,
        "a b/c+d&e=f/\u00e4~!'()*.json": b"{}",
        "empty": b"",
        "large": b"x" * 600_000,
    }
    for key, body in bodies.items():
        assert store.put(stored(key, body)), f"{key} was not stored"
    assert bodies == bucket.objects()
    assert not store.put(stored(KEY, b"another"))
    assert bodies == bucket.objects()


def test_a_server_that_checks_signatures_refuses_a_wrong_one(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = real_store(bucket, monkeypatch, "not the secret")
    with pytest.raises(StoreError, match="SignatureDoesNotMatch"):
        store.put(stored(KEY, BODY))
    assert bucket.objects() == {}
