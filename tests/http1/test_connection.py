"""The promises of a connection, over real sockets where possible."""

import asyncio
import contextlib
import socket
import tracemalloc
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from handlers.body import BodyBudget
from handlers.connection_errors import ConnectionErrors
from http1.activity import Part
from http1.connection import ClientConnection
from http1.watchdog import TimeLimits, Watchdog
from tests.handlers.server import EVENT, MAX_BODY_BYTES, ONE, Site, make_site
from tests.http1.raw_http import Client, connected, exchange, request
from tests.http1.serving import record_received, serving
from tests.support.waiting import let_tasks_run, standstill, until

POST = request("POST", ONE, [], EVENT)
CHUNKED = request("POST", ONE, [("Transfer-Encoding", "chunked")])
GET = request("GET", "/health")
LAST_GET = request("GET", "/health", [("Connection", "close")])
GARBAGE = b"\x16\x03\x01\x02\r\n\r\n"


@dataclass
class Held:
    """A served site whose events wait for `go` before they are durable."""

    site: Site
    go: asyncio.Event
    port: int


@contextlib.asynccontextmanager
async def held_site() -> AsyncIterator[Held]:
    site, go = make_site(), asyncio.Event()
    append = site.sink.append

    async def wait_and_append(*given: Any) -> Any:
        await go.wait()
        return await append(*given)

    setattr(site.sink, "append", wait_and_append)  # noqa: B010  mypy rejects assigning a method
    async with serving(site) as port:
        yield Held(site, go, port)
    go.set()
    await let_tasks_run()


class StuckTransport(asyncio.Transport):
    """A transport whose peer reads nothing: closing it takes forever."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.calls.append("write")

    def close(self) -> None:
        self.calls.append("close")

    def write_eof(self) -> None:
        self.calls.append("eof")

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.calls.append("abort")

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")


@contextlib.contextmanager
def stuck_connection(site: Site) -> Any:
    """Yield a connection to a client that reads nothing, and its transport."""
    connection = ClientConnection(site.app, site.activity, ConnectionErrors())
    transport = StuckTransport()
    connection.connection_made(transport)
    yield connection, transport
    connection.connection_lost(None)


async def test_requests_sent_ahead_get_their_responses_in_order() -> None:
    sent = [request("POST", ONE, [("X-Request-Id", f"r{n}")], EVENT) for n in range(20)]
    async with held_site() as held, connected(held.port) as client:
        client.send(b"".join(sent))
        await until(lambda: held.site.activity.in_flight)
        held.go.set()
        ids = [(await client.response()).json["event_id"] for _ in sent]
    assert [f"made-{n}" for n in range(1, 21)] == ids


async def test_the_bytes_that_a_client_sends_ahead_are_bounded() -> None:
    ahead = memoryview(POST * 200_000)
    sent = 0

    def send_more() -> int:
        nonlocal sent
        with contextlib.suppress(BlockingIOError):
            while sent < len(ahead):
                sent += client.send(ahead[sent : sent + 65536])
        return sent

    async with held_site() as held:
        with socket.create_connection(("127.0.0.1", held.port)) as client:
            client.setblocking(False)
            client.send(POST)
            await until(lambda: held.site.activity.in_flight)
            # Two sockets of this system hold most of what was sent.
            assert await standstill(send_more) < 12_000_000


async def test_many_small_requests_sent_ahead_are_kept_unparsed() -> None:
    with stuck_connection(make_site()) as (connection, transport):
        connection.data_received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 8000)
        assert len(connection._queue.requests) < 1000
        assert ["pause"] == transport.calls
        await until(lambda: transport.calls.count("write") == 8000)
        assert 1 == transport.calls.count("resume")


async def test_a_client_that_leaves_before_its_response_is_noticed() -> None:
    async with held_site() as held, connected(held.port) as client:
        client.send(POST)
        await until(lambda: held.site.activity.in_flight)
        client.abort()
        await until(lambda: not held.site.activity.in_flight)


async def send_apart(client: Client, pieces: Iterable[bytes], received: list[bytes]) -> None:
    """Send each piece when the server has received all bytes before it."""
    for piece in pieces:
        size = len(b"".join(received)) + len(piece)
        client.send(piece)
        await until(lambda size=size: size == len(b"".join(received)))  # type: ignore[misc]


async def test_a_request_that_arrives_a_byte_at_a_time_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    received = record_received(monkeypatch)
    async with serving(make_site()) as port, connected(port) as client:
        await send_apart(client, (bytes([byte]) for byte in POST), received)
        assert 200 == (await client.response()).status
    assert len(POST) == len(received)


async def test_a_client_that_reads_no_responses_gets_no_more() -> None:
    site = make_site()
    finished: list[object] = []
    site.app.settings["log_function"] = finished.append
    sent = (request("GET", "/selftest.js") * 5_000)[:200_000]
    async with serving(site) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setblocking(False)
            await asyncio.get_running_loop().sock_sendall(client, sent)
            await until(lambda: finished)
            before = await standstill(lambda: len(finished))
            assert 0 < before < sent.count(b"GET")

            def goes_on() -> bool:
                with contextlib.suppress(BlockingIOError):
                    client.recv(1 << 20)
                return len(finished) > before

            await until(goes_on)


async def test_no_request_is_started_while_the_client_reads_no_responses() -> None:
    with stuck_connection(make_site()) as (connection, transport):
        connection.pause_writing()
        connection.data_received(GET * 3)
        await let_tasks_run()
        assert ["pause"] == transport.calls
        connection.resume_writing()
        await until(lambda: transport.calls.count("write") == 3)


async def test_a_client_that_does_not_read_ends_its_connection_and_costs_one_response() -> None:
    clock = [0.0]
    site = make_site(monotonic=lambda: clock[0])
    watchdog = Watchdog(site.activity, TimeLimits())
    sent = (request("GET", "/selftest.js") * 5_000)[:200_000]
    async with serving(site) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setblocking(False)
            await asyncio.get_running_loop().sock_sendall(client, sent)
            await until(lambda: any(each.progress for each in site.activity.established))
            (connection,) = site.activity.established
            progress = connection.progress
            assert progress is not None
            assert Part.RESPONSE is progress.part
            assert 0 < -progress.done < 20_000
            for clock[0] in (0.0, 30.0):
                watchdog.check()
            await until(lambda: not site.activity.open_connections)


async def test_requests_sent_ahead_by_a_client_that_does_not_read_count_as_its_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = make_site()
    marked: list[int] = []
    monkeypatch.setattr(site.activity, "mark_unread", lambda _, size: marked.append(size))
    sent = GET * 2000
    with stuck_connection(site) as (connection, _):
        connection.data_received(sent)
        connection.pause_writing()
    assert 0.8 * len(sent) < marked[0] < len(sent)


@pytest.mark.parametrize("per_read", [1, 1000], ids=["segments", "chunks"])
async def test_the_memory_of_a_body_in_tiny_pieces_is_its_size(per_read: int) -> None:
    chunk, chunks = b"2\r\n  \r\n", MAX_BODY_BYTES // 2
    with stuck_connection(make_site()) as (connection, _):
        connection.data_received(CHUNKED)
        await asyncio.sleep(0.01)  # the handler is ready
        tracemalloc.start()
        for _ in range(chunks // per_read):
            connection.data_received(chunk * per_read)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert MAX_BODY_BYTES <= held < 2 * MAX_BODY_BYTES


@pytest.mark.parametrize("sent", [LAST_GET, GARBAGE], ids=["last request", "garbage"])
async def test_a_client_that_does_not_close_after_its_last_response_is_closed_in_time(
    sent: bytes,
) -> None:
    site = make_site()
    with stuck_connection(site) as (connection, transport):
        connection.data_received(sent)
        await until(lambda: transport.calls == ["write", "eof"])
        assert 1 == site.activity.close_lingering(-1)
        assert ["write", "eof", "abort"] == transport.calls


async def test_malformed_input_gets_the_common_form_of_an_error() -> None:
    async with serving(make_site()) as port, connected(port) as client:
        response = await client.ask(GARBAGE)
        assert (400, "bad_request") == (response.status, response.json["error"]["code"])
        assert response.json["request_id"] == response.headers["x-request-id"]
        assert b"" == await client.rest()


async def test_a_head_that_is_too_large_gets_the_one_form_of_an_error() -> None:
    head = request("GET", "/health", [("X", "y")] * 200)
    async with serving(make_site()) as port, connected(port) as client:
        response = await client.ask(head)
        assert (431, "head_too_large") == (response.status, response.json["error"]["code"])
        assert response.json["request_id"] == response.headers["x-request-id"]
        assert b"" == await client.rest()


async def test_garbage_after_requests_does_not_cost_their_responses() -> None:
    async with held_site() as held, connected(held.port) as client:
        client.send(POST * 2 + GARBAGE)
        await until(lambda: held.site.activity.in_flight)
        held.go.set()
        assert [200, 200, 400] == [(await client.response()).status for _ in range(3)]
        assert b"" == await client.rest()


async def test_garbage_in_a_body_ends_its_request() -> None:
    site = make_site()
    async with serving(site) as port, connected(port) as client:
        client.send(CHUNKED + b"1\r\n{\r\n")
        await until(lambda: site.activity.in_flight)
        assert 400 == (await client.ask(b"zz\r\n")).status
        await until(lambda: not site.activity.in_flight)
    assert [] == site.sink.events
    assert BodyBudget().left == site.budget.left


async def test_garbage_before_a_handler_is_ready_leaves_nothing_in_flight() -> None:
    site = make_site()
    with stuck_connection(site) as (connection, transport):
        connection.data_received(CHUNKED)
        connection.data_received(GARBAGE)
        await until(lambda: transport.calls == ["write", "eof"])
    await let_tasks_run()  # its handler's `prepare` has run by then
    assert 0 == site.activity.in_flight


async def test_a_handler_that_fails_on_a_body_costs_its_connection_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, expected_errors: list[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("handlers.ingest.IngestHandler.data_received", fail)
    expected_errors.append("connection failed")
    site = make_site()
    async with serving(site) as port, connected(port) as client:
        client.send(request("POST", ONE, [("Content-Length", "9")], b"{"))
        assert b"" == await client.rest()
        assert (0, 0) == (site.activity.in_flight, site.activity.open_connections)
        assert 200 == (await exchange(port, GET)).status


async def test_a_client_of_http_1_0_gets_no_100_continue() -> None:
    head = request("POST", ONE, [("Expect", "100-continue"), ("Content-Length", str(len(EVENT)))])
    site = make_site()
    async with serving(site) as port, connected(port) as client:
        client.send(head.replace(b"HTTP/1.1", b"HTTP/1.0"))
        await until(lambda: site.activity.in_flight)
        await let_tasks_run()  # its handler waits for the body by then
        assert 200 == (await client.ask(EVENT)).status


async def test_a_request_that_asks_to_close_is_the_last_one() -> None:
    site = make_site()
    last = request("POST", ONE, [("Connection", "close")], EVENT)
    async with serving(site) as port, connected(port) as client:
        response = await client.ask(last + POST)
        assert (200, "close") == (response.status, response.headers["connection"])
        assert b"" == await client.rest()
    assert 1 == len(site.sink.events)


@pytest.mark.parametrize(
    ("version", "asked", "expected"),
    [
        ("1.1", None, None),
        ("1.1", "keep-alive", None),
        ("1.1", "Close", "close"),
        ("1.0", None, "close"),
        ("1.0", "Keep-Alive", "keep-alive"),
    ],
)
async def test_a_connection_is_kept_alive_by_the_rules_of_its_version(
    version: str, asked: str | None, expected: str | None
) -> None:
    headers = [] if asked is None else [("Connection", asked)]
    sent = request("GET", "/health", headers).replace(b"HTTP/1.1", f"HTTP/{version}".encode())
    async with serving(make_site()) as port, connected(port) as client:
        client.send(sent + GET)
        assert expected == (await client.response()).headers.get("connection")
        if expected == "close":
            assert b"" == await client.rest()
        else:
            assert 200 == (await client.response()).status


async def test_what_a_client_sends_after_its_last_response_resets_nothing() -> None:
    async with serving(make_site()) as port, connected(port) as client:
        assert 200 == (await client.ask(LAST_GET)).status
        assert b"" == await client.rest()
        for _ in range(3):  # a reset in response to one would fail the next
            client.send(POST * 100)
            await client.writer.drain()
            await asyncio.sleep(0.01)


async def test_during_a_shutdown_every_request_that_was_sent_ahead_gets_its_response() -> None:
    async with held_site() as held, connected(held.port) as client:
        client.send(POST * 3)
        await until(lambda: held.site.activity.in_flight)
        held.site.activity.draining = True
        held.go.set()
        told = [(await client.response()).headers.get("connection") for _ in range(3)]
        assert [None, None, "close"] == told
        assert b"" == await client.rest()


async def test_during_a_shutdown_a_client_of_http_1_0_is_told_that_its_connection_closes() -> None:
    site = make_site()
    sent = request("GET", "/health", [("Connection", "keep-alive")])
    async with serving(site) as port, connected(port) as client:
        site.activity.draining = True
        response = await client.ask(sent.replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert "close" == response.headers["connection"]
        assert b"" == await client.rest()


# The JDK's HTTP client asks for HTTP/2 like this in its first request.
UPGRADE = [
    ("Connection", "Upgrade, HTTP2-Settings"),
    ("Upgrade", "h2c"),
    ("HTTP2-Settings", "AAEAAEAA"),
]


async def test_a_request_to_upgrade_is_handled_as_if_it_did_not_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    received = record_received(monkeypatch)
    length = [*UPGRADE, ("Content-Length", str(len(EVENT)))]
    chunked = [*UPGRADE, ("Transfer-Encoding", "chunked")]
    posts = [
        request("POST", ONE, length, EVENT),
        request("POST", ONE, chunked, b"%x\r\n%b\r\n0\r\n\r\n" % (len(EVENT), EVENT)),
    ]
    get = request("GET", "/health", UPGRADE)
    async with serving(make_site()) as port, connected(port) as client:
        for post in posts:
            await send_apart(client, (post[:-20], post[-20:], post, get), received)
            assert [200, 200, 200] == [(await client.response()).status for _ in range(3)]
