import base64
import dataclasses
import hashlib
import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from storage.stores.s3 import Encryption, S3Store
from storage.stores.store import DEFAULT_MAX_GET_BYTES, ObjectTooLarge, StoredObject, StoreError

BUCKET = "collected"
KEY = "events/year=2026/month=11/day=23/a.json"
BODY = b'{"event_id":"a"}' * 5000


def item(body: bytes = BODY, content_type: str = "application/json") -> StoredObject:
    return StoredObject(KEY, content_type, len(body), partial(io.BytesIO, body))


def once(body: bytes = BODY) -> StoredObject:
    return dataclasses.replace(item(body), create_only=True)


def store_at(url: str, bucket: str = BUCKET, conditional: str = "auto") -> S3Store:
    return S3Store(
        bucket,
        region="eu-central-1",
        endpoint_url=url,
        connections=2,
        conditional_writes=conditional,
    )


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_MAX_ATTEMPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(service: str, credentials: None) -> Iterator[Any]:
    """A plain client with an empty bucket."""
    client = boto3.session.Session().client("s3", endpoint_url=service, region_name="eu-central-1")
    client.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    yield client
    for found in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=found["Key"])
    client.delete_bucket(Bucket=BUCKET)
    client.close()


def keys(s3: Any) -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


@pytest.mark.parametrize("content_type", ["application/json", "application/gzip"])
def test_an_object_is_stored_under_its_key_with_its_type(
    service: str, s3: Any, content_type: str
) -> None:
    store_at(service).put(item(content_type=content_type))
    found = s3.get_object(Bucket=BUCKET, Key=KEY)
    assert found["Body"].read() == BODY
    assert found["ContentType"] == content_type
    assert keys(s3) == [KEY]


def test_a_gzip_object_carries_no_content_encoding(service: str, s3: Any) -> None:
    store_at(service).put(item(content_type="application/gzip"))
    assert "ContentEncoding" not in s3.head_object(Bucket=BUCKET, Key=KEY)


@pytest.mark.parametrize("size", [2, 300_000], ids=["small put", "put_object"])
@pytest.mark.parametrize(
    "encryption",
    [None, Encryption("AES256"), Encryption("aws:kms"), Encryption("aws:kms", "alias/events")],
)
def test_encryption_is_requested_for_each_object(encryption: Encryption | None, size: int) -> None:
    with responding(Response(200)) as service:
        S3Store(
            BUCKET,
            region="eu-central-1",
            endpoint_url=service.url,
            connections=1,
            encryption=encryption,
        ).put(item(b"x" * size))
    (request,) = service.requests
    expected = encryption.headers() if encryption else {}
    prefix = "x-amz-server-side-encryption"
    assert expected == {
        name: value for name, value in request.headers.items() if name.startswith(prefix)
    }


@pytest.mark.parametrize("size", [2, 300_000], ids=["small put", "put_object"])
def test_a_service_encrypts_what_it_was_asked_to(service: str, s3: Any, size: int) -> None:
    S3Store(
        BUCKET,
        region="eu-central-1",
        endpoint_url=service,
        connections=1,
        encryption=Encryption("aws:kms", "my-key"),
    ).put(item(b"x" * size))
    found = s3.head_object(Bucket=BUCKET, Key=KEY)
    assert ("aws:kms", "my-key") == (found["ServerSideEncryption"], found["SSEKMSKeyId"])


def test_an_object_is_read_back_replaced_and_deleted(service: str, s3: Any) -> None:
    store = store_at(service)
    store.put(item())
    store.put(item(b"other"))
    assert store.get(KEY) == b"other"
    store.delete(KEY)
    assert keys(s3) == []


def test_an_object_larger_than_any_event_is_not_read(service: str, s3: Any) -> None:
    store = store_at(service)
    store.put(item(b"x" * DEFAULT_MAX_GET_BYTES))
    assert DEFAULT_MAX_GET_BYTES == len(store.get(KEY))
    store.put(item(b"x" * (DEFAULT_MAX_GET_BYTES + 1)))
    with pytest.raises(ObjectTooLarge):
        store.get(KEY)
    store.put(item())
    assert BODY == store.get(KEY)


def test_a_missing_bucket_is_permanent(service: str, s3: Any) -> None:
    with pytest.raises(StoreError) as caught:
        store_at(service, "missing").put(item())
    assert (caught.value.code, caught.value.permanent) == ("NoSuchBucket", True)


def test_a_missing_object_is_an_error(service: str, s3: Any) -> None:
    with pytest.raises(StoreError) as caught:
        store_at(service).get(KEY)
    assert caught.value.code == "NoSuchKey"


def test_the_description_is_the_location_of_the_objects(service: str) -> None:
    assert store_at(service).describe() == "s3://collected"


@dataclass
class Response:
    """A response with an error's code, a page of another kind, or neither."""

    status: int
    code: str = ""
    page: bytes = b""
    etag: str = '"e"'

    @property
    def body(self) -> bytes:
        if not self.code:
            return self.page
        return f"<Error><Code>{self.code}</Code><Message>no</Message></Error>".encode()


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Service:
    """A service that records its requests."""

    url: str
    requests: list[Request] = field(default_factory=list)


@contextmanager
def responding(response: Response, *later: Response) -> Iterator[Service]:
    """Run a service that sends these responses in order, then repeats the last one."""
    seen: list[Request] = []
    responses = [response, *later]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            response = responses[min(len(seen), len(responses) - 1)]
            seen.append(Request(self.command, self.path, headers, body))
            self.send_response(response.status)
            self.send_header("Content-Length", str(len(response.body)))
            self.send_header("Connection", "close")
            if response.etag:
                self.send_header("ETag", response.etag)
            self.end_headers()
            self.wfile.write(response.body)
            self.close_connection = True

        def do_DELETE(self) -> None:
            self.do_PUT()

        def do_HEAD(self) -> None:
            self.do_PUT()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield Service(f"http://127.0.0.1:{server.server_address[1]}", seen)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_body_goes_out_plain_with_its_md5() -> None:
    with responding(Response(200)) as service:
        store_at(service.url).put(item())
    (request,) = service.requests
    expected = base64.b64encode(hashlib.md5(BODY, usedforsecurity=False).digest()).decode()
    assert (request.method, request.path) == ("PUT", f"/{BUCKET}/{KEY.replace('=', '%3D')}")
    assert request.headers["content-md5"] == expected
    assert request.headers["content-length"] == str(len(BODY))
    assert request.headers["content-type"] == "application/json"
    assert not [name for name in request.headers if name.startswith("x-amz-checksum")]
    assert "content-encoding" not in request.headers
    assert request.body == BODY


@pytest.mark.parametrize(
    ("response", "code", "permanent"),
    [
        (Response(503, "SlowDown"), "SlowDown", False),
        (Response(503), "503", False),
        (Response(500, "InternalError"), "InternalError", False),
        (Response(502), "502", False),
        (Response(400, "RequestTimeout"), "RequestTimeout", False),
        (Response(400, "BadDigest"), "BadDigest", False),
        (Response(408), "408", False),
        (Response(409, "OperationAborted"), "OperationAborted", False),
        (Response(409, "AnotherConflict"), "AnotherConflict", False),
        (Response(429, "TooManyRequests"), "TooManyRequests", False),
        (Response(403, "AccessDenied"), "AccessDenied", True),
        (Response(403, "InvalidAccessKeyId"), "InvalidAccessKeyId", True),
        (Response(403, "SignatureDoesNotMatch"), "SignatureDoesNotMatch", True),
        (Response(404, "NoSuchBucket"), "NoSuchBucket", True),
        (Response(400, "ExpiredToken"), "ExpiredToken", True),
    ],
)
def test_an_error_is_one_attempt_and_is_transient_or_permanent(
    response: Response, code: str, permanent: bool
) -> None:
    with responding(response) as service, pytest.raises(StoreError) as caught:
        store_at(service.url).put(item())
    assert (code, permanent) == (caught.value.code, caught.value.permanent)
    assert len(service.requests) == 1


PAGE = b"<html><body>Please log in"
NOT_FROM_S3 = [
    (Response(200, page=PAGE, etag=""), "no ETag"),
    (Response(200, etag=""), "no ETag"),
    (Response(200, page=PAGE, etag='W/"1a-x"'), "a weak ETag"),
    (Response(200, page=PAGE), "a body"),
    (Response(201), "not 200"),
    (Response(202, page=PAGE, etag=""), "not 200"),
    (Response(204), "not 200"),
    (Response(206), "not 200"),
    (Response(300), "not 200"),
]
SIZES = pytest.mark.parametrize("body", [b"{}", b"x" * 300_000], ids=["small put", "put_object"])


@SIZES
@pytest.mark.parametrize(
    ("response", "problem"), NOT_FROM_S3, ids=lambda each: str(getattr(each, "status", each))
)
def test_only_a_response_as_s3_sends_it_acknowledges_an_object(
    body: bytes, response: Response, problem: str
) -> None:
    with responding(response) as service, pytest.raises(StoreError) as caught:
        store_at(service.url).put(once(body))
    assert ("NotAcknowledged", True) == (caught.value.code, caught.value.permanent)
    assert f"status {response.status} and {problem}" in str(caught.value)
    assert 1 == len(service.requests)


@SIZES
@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308])
def test_a_redirect_acknowledges_nothing(body: bytes, status: int) -> None:
    with responding(Response(status, page=PAGE)) as service, pytest.raises(StoreError) as caught:
        store_at(service.url).put(item(body))
    asks_for_the_region = status in (301, 302, 307)
    expected = "UnexpectedRedirect" if asks_for_the_region else str(status)
    assert (expected, True) == (caught.value.code, caught.value.permanent)
    assert len(service.requests) <= 3, "the client followed redirects of its redirects"


@pytest.mark.parametrize("status", [200, 202])
def test_a_web_page_in_place_of_a_deletion_is_an_error(status: int) -> None:
    with responding(Response(status, page=PAGE)) as service, pytest.raises(StoreError):
        store_at(service.url).delete(KEY)


def test_the_environment_cannot_turn_retries_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")
    monkeypatch.setenv("AWS_RETRY_MODE", "standard")
    with responding(Response(503, "SlowDown")) as service, pytest.raises(StoreError):
        store_at(service.url).put(item())
    assert len(service.requests) == 1


def test_a_refused_connection_is_transient() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(StoreError) as caught:
        store_at(f"http://127.0.0.1:{port}").put(item())
    assert (caught.value.code, caught.value.permanent) == ("EndpointConnectionError", False)


@pytest.mark.parametrize("size", [2, 300_000], ids=["small put", "put_object"])
@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"AWS_SESSION_TOKEN": "pa55\n"},
        {"HTTP_PROXY": "http://user:pa55@127.0.0.1:1", "NO_PROXY": ""},
        {"HTTP_PROXY": "socks5://user:pa55@127.0.0.1:1", "NO_PROXY": ""},
        {"HTTP_PROXY": "http://user:pa55#@127.0.0.1:1", "NO_PROXY": ""},
    ],
)
def test_no_error_has_a_secret_in_it(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], size: int
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StoreError) as caught:
        store_at("http://user:pa55@127.0.0.1:1").put(item(b"x" * size))
    assert "pa55" not in str(caught.value)


def test_a_user_in_the_url_is_not_sent() -> None:
    with responding(Response(200)) as service:
        store_at(service.url.replace("//", "//user:pa55@")).put(item())
    assert "pa55" not in str(service.requests[0].headers)


def test_an_endpoint_that_boto3_refuses_is_permanent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:pa55@a_b")
    with pytest.raises(StoreError) as caught:
        S3Store("b", region="eu-central-1", endpoint_url=None, connections=1)
    assert ("InvalidConfiguration", True) == (caught.value.code, caught.value.permanent)
    assert "http://***@a_b" in str(caught.value)


def test_an_endless_code_is_cut() -> None:
    response = Response(400, "C" * 60_000)
    with responding(response) as service, pytest.raises(StoreError) as caught:
        store_at(service.url).put(item())
    assert 100 == len(caught.value.code)
    assert len(str(caught.value)) < 1200


def test_missing_credentials_are_permanent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with responding(Response(200)) as service, pytest.raises(StoreError) as caught:
        store_at(service.url).put(item())
    assert (caught.value.code, caught.value.permanent) == ("NoCredentialsError", True)
    assert service.requests == []


def test_a_profile_that_does_not_exist_is_permanent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "missing")
    with pytest.raises(StoreError) as caught:
        store_at("http://127.0.0.1:9")
    assert (caught.value.code, caught.value.permanent) == ("ProfileNotFound", True)


def test_a_bucket_name_that_boto3_refuses_is_permanent() -> None:
    with pytest.raises(StoreError) as caught:
        store_at("http://127.0.0.1:9", "not a bucket")
    assert (caught.value.code, caught.value.permanent) == ("ParamValidationError", True)


def test_a_body_that_cannot_be_read_is_transient() -> None:
    def gone() -> io.BytesIO:
        raise FileNotFoundError(2, "No such file or directory")

    with responding(Response(200)) as service, pytest.raises(StoreError) as caught:
        store_at(service.url).put(StoredObject(KEY, "application/json", 1, gone))
    assert (caught.value.code, caught.value.permanent) == ("FileNotFoundError", False)
    assert service.requests == []


def conditions(service: Service) -> list[str | None]:
    return [request.headers.get("if-none-match") for request in service.requests]


@pytest.mark.parametrize(
    ("conditional", "asked"), [("auto", ["*", None]), ("on", ["*", None]), ("off", [None, None])]
)
def test_only_an_object_that_must_not_be_replaced_is_put_conditionally(
    conditional: str, asked: list[str | None]
) -> None:
    with responding(Response(200)) as service:
        store = store_at(service.url, conditional=conditional)
        assert store.put(once())
        assert store.put(item())
    assert asked == conditions(service)


@pytest.mark.parametrize("code", ["PreconditionFailed", ""])
def test_an_object_that_exists_already_is_not_an_error(code: str) -> None:
    with responding(Response(412, code)) as service:
        assert store_at(service.url).put(once()) is False


def test_a_race_for_one_key_is_transient() -> None:
    conflict = Response(409, "ConditionalRequestConflict")
    with responding(conflict) as service, pytest.raises(StoreError) as caught:
        store_at(service.url).put(once())
    assert (caught.value.code, caught.value.permanent) == ("ConditionalRequestConflict", False)


@pytest.mark.parametrize(
    "refusal",
    [Response(501, "NotImplemented"), Response(501), Response(400, "InvalidArgument")],
)
def test_a_service_without_conditions_is_asked_once(refusal: Response) -> None:
    with responding(refusal, Response(200)) as service:
        store = store_at(service.url)
        assert store.put(once())
        assert store.put(once())
    assert ["*", None, None] == conditions(service)


def test_a_refusal_of_the_object_itself_turns_no_conditions_off() -> None:
    with responding(Response(400, "InvalidArgument")) as service:
        store = store_at(service.url)
        for _ in range(2):
            with pytest.raises(StoreError):
                store.put(once())
    assert ["*", None, "*", None] == conditions(service)


def test_with_on_a_service_without_conditions_is_an_error() -> None:
    with responding(Response(501, "NotImplemented")) as service, pytest.raises(StoreError):
        store_at(service.url, conditional="on").put(once())
    assert ["*"] == conditions(service)
