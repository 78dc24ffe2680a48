"""What a connection promises, over real sockets."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from tornado.httputil import HTTPHeaders, ResponseStartLine

from handlers.body import BodyBudget
from handlers.connection_errors import ConnectionErrors
from http1.connection import ClientConnection
from http1.response import encode_head
from tests.handlers.server import Site, make_site
from tests.handlers.test_contract import EVENT, ONE
from tests.http1.raw_http import Answer, exchange, read_answer, request
from tests.http1.serving import serving

_HURRY_S = 10.0


@dataclass
class _Held:
    """A site whose events wait for `go`."""

    site: Site
    go: asyncio.Event
    port: int


@contextlib.asynccontextmanager
async def held_site() -> AsyncIterator[_Held]:
    site, go = make_site(), asyncio.Event()
    append = site.sink.append

    async def wait_and_append(*given: Any) -> Any:
        await go.wait()
        return await append(*given)

    setattr(site.sink, "append", wait_and_append)  # noqa: B010  mypy takes no method for it
    async with serving(site) as port:
        yield _Held(site, go, port)


async def until(holds: Any) -> None:
    async with asyncio.timeout(_HURRY_S):
        while not holds():
            await asyncio.sleep(0.005)


def test_requests_sent_ahead_are_answered_in_order(io_loop: Any) -> None:
    async def call() -> list[str]:
        async with held_site() as held:
            reader, writer = await asyncio.open_connection("127.0.0.1", held.port)
            sent = [(("X-Request-Id", f"r{n}"),) for n in range(20)]
            writer.write(b"".join(request("POST", ONE, each, EVENT) for each in sent))
            await until(lambda: held.site.activity.in_flight)
            held.go.set()
            ids = [(await read_answer(reader)).json["event_id"] for _ in sent]
            writer.close()
            return ids

    assert [f"made-{n}" for n in range(1, 21)] == io_loop.run_sync(call)


def test_what_a_client_sends_ahead_is_bounded(io_loop: Any) -> None:
    async def call() -> int:
        async with held_site() as held:
            _, writer = await asyncio.open_connection("127.0.0.1", held.port)
            writer.write(request("POST", ONE, [], EVENT))
            await until(lambda: held.site.activity.in_flight)
            ahead = request("POST", ONE, [], EVENT) * 200_000
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    writer.write(ahead)
                    await writer.drain()
            unsent: int = writer.transport.get_write_buffer_size()
            writer.transport.abort()
            return len(ahead) - unsent

    # The rest is what two sockets of this system hold.
    assert io_loop.run_sync(call) < 12_000_000


def test_many_small_requests_ahead_are_kept_as_they_came(io_loop: Any) -> None:
    ahead = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 8000

    async def call() -> tuple[int, int, list[str]]:
        site, stuck = make_site(), Stuck()
        connection = ClientConnection(site.app, site.activity, ConnectionErrors())
        connection.connection_made(stuck)
        connection.data_received(ahead)
        waiting, done = len(connection._queue.requests), list(stuck.done)
        await until(lambda: stuck.done.count("write") == 8000)
        connection.connection_lost(None)
        return waiting, stuck.done.count("resume"), done

    waiting, resumed, done = io_loop.run_sync(call)
    assert (["pause"], 1) == (done, resumed)
    assert waiting < 1000


def test_a_client_that_leaves_before_its_answer_is_noticed(io_loop: Any) -> None:
    async def call() -> None:
        async with held_site() as held:
            _, writer = await asyncio.open_connection("127.0.0.1", held.port)
            writer.write(request("POST", ONE, [], EVENT))
            await until(lambda: held.site.activity.in_flight)
            writer.transport.abort()
            await until(lambda: not held.site.activity.in_flight)

    io_loop.run_sync(call)


def test_a_body_that_comes_a_byte_at_a_time_is_read(io_loop: Any) -> None:
    async def call() -> int:
        async with held_site() as held:
            held.go.set()
            reader, writer = await asyncio.open_connection("127.0.0.1", held.port)
            for byte in request("POST", ONE, [], EVENT):
                writer.write(bytes([byte]))
                await asyncio.sleep(0.0005)
            status = (await read_answer(reader)).status
            writer.close()
            return status

    assert 200 == io_loop.run_sync(call)


def test_a_client_that_takes_no_answers_is_sent_no_more_of_them(io_loop: Any) -> None:
    async def call() -> tuple[int, int]:
        site = make_site()
        answered: list[object] = []
        site.app.settings["log_function"] = answered.append
        async with serving(site) as port:
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.setblocking(False)
                asked = request("GET", "/selftest.js") * 5_000
                await asyncio.get_running_loop().sock_sendall(client, asked[:200_000])
                before = -1
                while before != (before := len(answered)):
                    await asyncio.sleep(0.3)
                unread = before
                while len(answered) == before:
                    with contextlib.suppress(BlockingIOError):
                        client.recv(1 << 20)
                    await asyncio.sleep(0.001)
                return unread, asked[:200_000].count(b"GET")

    answered, sent = io_loop.run_sync(call)
    assert 0 < answered < sent


GARBAGE = b"\x16\x03\x01\x02\r\n\r\n"


class Stuck(asyncio.Transport):
    """A socket whose other end takes nothing: closing waits for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.done.append("write")

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")

    def pause_reading(self) -> None:
        self.done.append("pause")

    def resume_reading(self) -> None:
        self.done.append("resume")


LAST = request("GET", "/health", [("Connection", "close")])


@pytest.mark.parametrize("sent", [LAST, GARBAGE])
def test_a_client_that_does_not_take_its_last_answer_is_not_waited_for(
    io_loop: Any, sent: bytes
) -> None:
    async def call() -> tuple[int, list[str]]:
        site, stuck = make_site(), Stuck()
        connection = ClientConnection(site.app, site.activity, ConnectionErrors())
        connection.connection_made(stuck)
        connection.data_received(sent)
        await until(lambda: stuck.done == ["write", "close"])
        closed = site.activity.close_idle(-1)
        connection.connection_lost(None)
        return closed, stuck.done

    assert (1, ["write", "close", "abort"]) == io_loop.run_sync(call)


def test_what_is_not_http_is_answered_in_the_one_form_of_an_error(io_loop: Any) -> None:
    async def call() -> tuple[Answer, bytes]:
        async with serving(make_site()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GARBAGE)
            answer, rest = await read_answer(reader), await reader.read()
            writer.close()
            return answer, rest

    answer, rest = io_loop.run_sync(call)
    assert (400, "bad_request", b"") == (answer.status, answer.json["error"]["code"], rest)
    assert answer.json["request_id"] == answer.headers["x-request-id"]


def test_garbage_behind_a_request_does_not_cost_its_answer(io_loop: Any) -> None:
    async def call() -> list[int]:
        async with held_site() as held:
            reader, writer = await asyncio.open_connection("127.0.0.1", held.port)
            writer.write(request("POST", ONE, [], EVENT) * 2 + GARBAGE)
            await until(lambda: held.site.activity.in_flight)
            held.go.set()
            answers = [(await read_answer(reader)).status for _ in range(3)]
            assert await reader.read() == b""
            writer.close()
            return answers

    assert [200, 200, 400] == io_loop.run_sync(call)


def test_garbage_in_a_body_ends_its_request(io_loop: Any) -> None:
    chunked = request("POST", ONE, [("Transfer-Encoding", "chunked")])

    async def call() -> tuple[int, int, int]:
        site = make_site()
        async with serving(site) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(chunked + b"1\r\n{\r\n")
            await until(lambda: site.activity.in_flight)
            writer.write(b"zz\r\n")
            status = (await read_answer(reader)).status
            await until(lambda: not site.activity.in_flight)
            writer.close()
            return status, len(site.sink.events), site.budget.left

    assert (400, 0, BodyBudget().left) == io_loop.run_sync(call)


def test_a_client_that_fails_before_its_requests_turn_is_not_counted_for_ever(
    io_loop: Any,
) -> None:
    begun = request("POST", ONE, [("Transfer-Encoding", "chunked")])

    async def call() -> int:
        site, stuck = make_site(), Stuck()
        connection = ClientConnection(site.app, site.activity, ConnectionErrors())
        connection.connection_made(stuck)
        connection.data_received(begun)
        connection.data_received(GARBAGE)
        await until(lambda: stuck.done == ["write", "close"])
        connection.connection_lost(None)
        await asyncio.sleep(0.01)
        return site.activity.in_flight

    assert 0 == io_loop.run_sync(call)


async def test_a_handler_that_fails_on_a_body_costs_its_connection_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, expected_errors: list[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("handlers.ingest.IngestHandler.data_received", fail)
    expected_errors.append("connection failed")
    site = make_site()
    async with serving(site) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("POST", ONE, [("Content-Length", "9")], b"{"))
        assert b"" == await reader.read()
        writer.close()
        assert (0, 0) == (site.activity.in_flight, site.activity.open_connections)
        assert 200 == (await exchange(port, request("GET", "/health"))).status


def test_a_client_of_http_1_0_is_not_told_to_go_on(io_loop: Any) -> None:
    head = request("POST", ONE, [("Expect", "100-continue"), ("Content-Length", str(len(EVENT)))])

    async def call() -> int:
        async with serving(make_site()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head.replace(b"HTTP/1.1", b"HTTP/1.0"))
            await asyncio.sleep(0.05)
            writer.write(EVENT)
            status = (await read_answer(reader)).status
            writer.close()
            return status

    assert 200 == io_loop.run_sync(call)


def test_a_request_that_closes_is_the_last_one(io_loop: Any) -> None:
    last = request("POST", ONE, [("Connection", "close")], EVENT)

    async def call() -> tuple[Answer, bytes, int]:
        site = make_site()
        async with serving(site) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(last + request("POST", ONE, [], EVENT))
            answer, rest = await read_answer(reader), await reader.read()
            writer.close()
            return answer, rest, len(site.sink.events)

    answer, rest, events = io_loop.run_sync(call)
    assert (200, "close", b"", 1) == (answer.status, answer.headers["connection"], rest, events)


@pytest.mark.parametrize(
    ("version", "asked", "told"),
    [
        ("1.1", None, None),
        ("1.1", "keep-alive", None),
        ("1.1", "Close", "close"),
        ("1.0", None, "close"),
        ("1.0", "Keep-Alive", "keep-alive"),
    ],
)
def test_a_connection_stays_open_as_its_version_has_it(
    io_loop: Any, version: str, asked: str | None, told: str | None
) -> None:
    headers = [] if asked is None else [("Connection", asked)]
    sent = request("GET", "/health", headers).replace(b"HTTP/1.1", f"HTTP/{version}".encode())

    async def call() -> tuple[str | None, bool]:
        async with serving(make_site()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            connection = (await read_answer(reader)).headers.get("connection")
            writer.write(request("GET", "/health"))
            is_open = await reader.read(5) == b"HTTP/"
            writer.close()
            return connection, is_open

    assert (told, told != "close") == io_loop.run_sync(call)


# The JDK's client asks for HTTP/2 in this way with its first request.
def test_a_wish_for_another_protocol_changes_nothing(io_loop: Any) -> None:
    wish = [
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAEAAEAA"),
    ]
    framings = {
        "length": [("Content-Length", str(len(EVENT)))],
        "chunked": [("Transfer-Encoding", "chunked")],
    }
    bodies = {"length": EVENT, "chunked": b"%x\r\n%b\r\n0\r\n\r\n" % (len(EVENT), EVENT)}

    async def call() -> list[int]:
        async with serving(make_site()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            found = []
            for name, framing in framings.items():
                sent = request("POST", ONE, wish + framing) + bodies[name]
                for piece in (sent[:-20], sent[-20:], sent, request("GET", "/health", wish)):
                    writer.write(piece)
                    await asyncio.sleep(0.01)
                found += [(await read_answer(reader)).status for _ in range(3)]
            writer.close()
            return found

    assert [200] * 6 == io_loop.run_sync(call)


def test_an_answers_head_is_encoded() -> None:
    headers = HTTPHeaders({"Vary": "Origin"})
    headers.add("Vary", "Accept")
    expected = b"HTTP/1.1 200 OK\r\nVary: Origin\r\nVary: Accept\r\n\r\n"
    assert expected == encode_head(ResponseStartLine("", 200, "OK"), headers)


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\r\n"])
def test_a_header_of_an_answer_is_never_two_lines(value: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        encode_head(ResponseStartLine("", 200, "OK"), HTTPHeaders({"X": value}))
