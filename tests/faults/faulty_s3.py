"""An S3 service that fails as real ones do and remembers every object that it stored.

Each fault has a probability, which can be changed at any time:

| fault | effect on a PUT |
| --- | --- |
| `reset_before`, `reset_after` | the connection is cut before, or after, the object is stored |
| `hang_before`, `hang_after` | no response comes before the client has given up |
| `truncated` | stored, and the response ends in its first line |
| `wrong_etag` | stored, and the ETag is that of other bytes |
| a name in `PAGES` | nothing is stored, and a web page is the response, with that status |
| `slow` | the body is read at `slow_bytes_per_s` |
| a name in `ERRORS` | that error is the response, and nothing is stored |

`refusing` closes the port for a while.
"""

import base64
import contextlib
import hashlib
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
ERRORS = {
    "SlowDown": 503,
    "ServiceUnavailable": 503,
    "InternalError": 500,
    "RequestTimeout": 400,
    "ConditionalRequestConflict": 409,
    "ExpiredToken": 400,
    "RequestTimeTooSkewed": 403,
    "InvalidAccessKeyId": 403,
    "AccessDenied": 403,
    "NoSuchBucket": 404,
    "PermanentRedirect": 301,
}

# Responses of something that is not S3, such as a proxy that asks for a login.
PAGES = {"web_page": 200, "web_page_created": 201, "web_page_moved": 302, "nothing": 204}

_CHUNK_BYTES = 4096
_SILENT = ("reset_before", "reset_after", "hang_before", "hang_after", "truncated")


@dataclass
class Stored:
    """All objects that were ever stored.

    `differing` has the keys of objects that were replaced by one with other bytes.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    puts: int = 0
    differing: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)


class FaultyS3:
    """The service on a free loopback port, in threads of this process; a context manager.

    Every bucket exists, and all credentials are accepted unless `accepted_key` is set. Header
    fields in `ignored_fields` have no effect, as with simpler services. A hanging request is
    closed after `hang_s` seconds.
    """

    def __init__(self, seed: int = 0, *, hang_s: float = 5.0) -> None:
        self.stored = Stored()
        self.probabilities: dict[str, float] = {}
        self.slow_bytes_per_s = 20_000
        self.accepted_key: str | None = None
        self.ignored_fields: set[str] = set()
        self.hang_s = hang_s
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self._random = random.Random(seed)
        self._connections: set[socket.socket] = set()
        self._server: _Server | None = None
        self._port = 0
        self._open()

    @property
    def endpoint_url(self) -> str:
        """The URL of the service."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def settings(self) -> dict[str, str]:
        """Settings of a collector that delivers to this service."""
        return {
            "S3_BUCKET_NAME": "chaos",
            "AWS_REGION": "eu-central-1",
            "S3_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stopping.set()
        self._close()

    def _open(self) -> None:
        self._server = _Server(("127.0.0.1", self._port), self)
        self._port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def _close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        with self.lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse new connections in the context, and cut the present ones."""
        self._close()
        try:
            yield
        finally:
            self._open()

    def draw(self) -> str | None:
        """Return the fault of the next request, if it has one."""
        with self.lock:
            for fault, probability in self.probabilities.items():
                if self._random.random() < probability:
                    self.stored.faults[fault] += 1
                    return fault
        return None

    def store(self, key: str, body: bytes, only_new: bool) -> bool:
        """Store an object and return True; return False if it had to be new and is not."""
        with self.lock:
            old = self.stored.objects.get(key)
            if old is not None and only_new:
                return False
            if old not in (None, body):
                self.stored.differing.append(key)
            self.stored.objects[key] = body
            self.stored.puts += 1
            return True

    def opened(self, connection: socket.socket) -> None:
        """Remember a connection, so that `refusing` can cut it."""
        with self.lock:
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection that is closed."""
        with self.lock:
            self._connections.discard(connection)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], owner: FaultyS3) -> None:
        self.owner = owner
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing: cut connections and dead clients are intended."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # The head and the body of a response go out as one packet.
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.owner.opened(self.connection)

    def finish(self) -> None:
        self.server.owner.closed(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""

    def handle_expect_100(self) -> bool:
        proceeds = super().handle_expect_100()
        self.wfile.flush()
        return proceeds

    def do_PUT(self) -> None:
        owner = self.server.owner
        fault = owner.draw()
        if owner.accepted_key and owner.accepted_key not in self.headers.get("Authorization", ""):
            fault = "InvalidAccessKeyId"
        body = self._read(fault)
        if fault in ("reset_before", "hang_before"):
            self._break_off(fault)
            return
        if fault in ERRORS:
            self._fail(fault)
            return
        if fault in PAGES:
            self._respond_with_page(PAGES[fault])
            return
        for name in owner.ignored_fields:
            del self.headers[name]
        given = self.headers.get("Content-MD5")
        digest = hashlib.md5(body, usedforsecurity=False)
        if given is not None and given != base64.b64encode(digest.digest()).decode():
            self._fail("BadDigest", 400)
            return
        key = self.path.lstrip("/").partition("/")[2].partition("?")[0]
        if not owner.store(key, body, self.headers.get("If-None-Match") == "*"):
            self._fail("PreconditionFailed", 412)
        elif fault in _SILENT:
            self._break_off(fault)
        else:
            etag = "0" * 32 if fault == "wrong_etag" else digest.hexdigest()
            self._respond(200, b"", {"ETag": f'"{etag}"'})

    def _read(self, fault: str | None) -> bytes:
        length = int(self.headers.get("Content-Length", "0"))
        if fault != "slow":
            return self.rfile.read(length)
        body = b""
        while len(body) < length and not self.server.owner.stopping.is_set():
            body += self.rfile.read(min(_CHUNK_BYTES, length - len(body)))
            time.sleep(_CHUNK_BYTES / self.server.owner.slow_bytes_per_s)
        return body

    def _break_off(self, fault: str) -> None:
        if fault.startswith("hang"):
            self.server.owner.stopping.wait(self.server.owner.hang_s)
        elif fault == "truncated":
            self.wfile.write(b"HTTP/1.1 2")
            self.wfile.flush()
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def do_GET(self) -> None:
        key = self.path.lstrip("/").partition("/")[2].partition("?")[0]
        body = self.server.owner.stored.objects.get(key)
        if body is None:
            self._fail("NoSuchKey", 404)
        else:
            self._respond(200, body, {})

    def do_DELETE(self) -> None:
        key = self.path.lstrip("/").partition("/")[2].partition("?")[0]
        self.server.owner.stored.objects.pop(key, None)
        self._respond(HTTPStatus.NO_CONTENT, b"", {})

    def _respond_with_page(self, status: int) -> None:
        page = b"" if status == HTTPStatus.NO_CONTENT else b"<html>Please log in"
        self._respond(status, page, {"Content-Type": "text/html", "Location": "/login"})

    def do_HEAD(self) -> None:
        if self.server.owner.probabilities.get("web_page_moved"):
            self._respond(PAGES["web_page_moved"], b"", {"Location": "/login"})
        else:
            self._respond(HTTPStatus.FORBIDDEN, b"", {})

    def _fail(self, code: str, status: int | None = None) -> None:
        text = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
        self._respond(status or ERRORS[code], text.encode(), {"Content-Type": "application/xml"})

    def _respond(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
