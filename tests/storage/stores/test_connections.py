"""Endpoints that respond without end, slowly or with too much: no upload hangs or takes memory."""

import contextlib
import io
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from storage.stores import connections
from storage.stores.connections import deadline_s
from storage.stores.s3 import S3Store
from storage.stores.store import StoredObject, StoreError

SIZES = pytest.mark.parametrize("size", [2, 300_000], ids=["small put", "put_object"])
MIB = 1024 * 1024

Respond = Callable[[socket.socket, threading.Event], None]


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def short_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_DEADLINE_S", 0.5)
    monkeypatch.setattr(connections, "_MIN_BYTES_PER_S", 1 << 40)


@contextmanager
def endpoint(respond: Respond) -> Iterator[str]:
    """Run a server that hands each connection to `respond`, in a thread; yield its URL."""
    over = threading.Event()
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            respond(connection, over)

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                threads.append(threading.Thread(target=serve, args=(listener.accept()[0],)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept, args=(listener,))
        acceptor.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        for thread in [acceptor, *threads]:
            thread.join()


def put(url: str, size: int) -> StoreError:
    """Put an object that the endpoint does not acknowledge; return the error."""
    store = S3Store("b", region="eu-central-1", endpoint_url=url, connections=1)
    body = b"x" * size
    with pytest.raises(StoreError) as caught:
        store.put(StoredObject("key", "text/plain", size, partial(io.BytesIO, body)))
    return caught.value


def drip(start: bytes, piece: bytes) -> Respond:
    """Respond with `start`, and then with a piece every now and then, without an end."""

    def respond(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(MIB)
        connection.sendall(start)
        while not over.wait(0.05):
            connection.sendall(piece)

    return respond


@SIZES
@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\n", b"A: b"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (b"HTTP/1.1 200 OK\r\nETag: e\r\nContent-Length: 9999\r\n\r\n", b"x"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 9999\r\n\r\n", b"x"),
        (b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
        (b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 100 Continue\r\n", b"A: b\r\n"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"H"),
    ],
)
@pytest.mark.usefixtures("short_deadline")
def test_a_response_that_drips_is_given_up(size: int, start: bytes, piece: bytes) -> None:
    with endpoint(drip(start, piece)) as url:
        error = put(url, size)
    assert ("DeadlineExceeded", False) == (error.code, error.permanent)
    assert "no complete response within" in str(error)


@pytest.mark.usefixtures("short_deadline")
def test_an_endpoint_that_reads_a_body_too_slowly_is_given_up() -> None:
    def respond(connection: socket.socket, over: threading.Event) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not over.wait(0.05):
            connection.recv(1024)

    with endpoint(respond) as url:
        error = put(url, 20 * MIB)
    assert ("DeadlineExceeded", False) == (error.code, error.permanent)


@SIZES
def test_a_connection_that_ends_within_a_100_continue_is_an_error(size: int) -> None:
    def respond(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(MIB)
        connection.sendall(b"HTTP/1.1 100 Continue\r\nX: y\r\n")

    with endpoint(respond) as url:
        error = put(url, size)
    assert not error.permanent


@SIZES
@pytest.mark.parametrize("head", [b"Connection: close", b"Content-Length: 9999999999"])
def test_an_error_without_end_is_read_only_up_to_a_bound(size: int, head: bytes) -> None:
    sent: list[int] = []

    def respond(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(MIB)
        connection.sendall(b"HTTP/1.1 403 No\r\n%b\r\n\r\n<Error><Code>" % head)
        while not over.is_set():
            sent.append(connection.send(b"x" * 65536))

    with endpoint(respond) as url:
        error = put(url, size)
    assert ("403", True) == (error.code, error.permanent)
    assert sum(sent) < 50 * MIB, "the client went on reading"


@pytest.mark.parametrize(
    ("size", "seconds"), [(0, 60), (8192, 61), (256 * 1024, 92), (8 * MIB, 1084)]
)
def test_a_large_object_has_more_time(size: int, seconds: float) -> None:
    assert seconds == deadline_s(size)
