"""What a connection's stream promises, over real sockets."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from handlers.http_server import WatchedHTTPServer
from handlers.stream import RequestStream
from tests.handlers.raw_http import read_answer, request
from tests.handlers.server import Site, make_site
from tests.handlers.test_contract import EVENT, ONE

_HURRY_S = 10.0


@dataclass
class _Held:
    """A site whose events wait for `go`, and the streams of its connections."""

    site: Site
    go: asyncio.Event
    port: int
    streams: list[RequestStream]


@contextlib.asynccontextmanager
async def held_site() -> AsyncIterator[_Held]:
    site, go, streams = make_site(), asyncio.Event(), []
    append = site.sink.append

    async def wait_and_append(*given: Any) -> Any:
        await go.wait()
        return await append(*given)

    class Watching(WatchedHTTPServer):
        def start_request(self, server_conn: Any, request_conn: Any) -> Any:
            streams.append(server_conn.stream)
            return super().start_request(server_conn, request_conn)

    setattr(site.sink, "append", wait_and_append)  # noqa: B010  mypy takes no method for it
    server = Watching(site.app, site.activity, 10)
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server.add_sockets([listening])
    try:
        yield _Held(site, go, port, streams)
    finally:
        server.stop()
        await server.close_all_connections()


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
            await until(lambda: held.site.activity.under_way)
            held.go.set()
            ids = [(await read_answer(reader)).json["event_id"] for _ in sent]
            writer.close()
            return ids

    assert [f"made-{n}" for n in range(1, 21)] == io_loop.run_sync(call)


def test_what_a_client_sends_ahead_is_bounded(io_loop: Any) -> None:
    async def call() -> tuple[int, bool]:
        async with held_site() as held:
            _, writer = await asyncio.open_connection("127.0.0.1", held.port)
            writer.write(request("POST", ONE, [], EVENT))
            await until(lambda: held.site.activity.under_way)
            ahead = request("POST", ONE, [], EVENT) * 100_000
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    writer.write(ahead)
                    await writer.drain()
            stream = held.streams[0]
            writer.transport.abort()
            return stream._read_buffer_size, len(ahead) > 5_000_000

    held_bytes, is_much = io_loop.run_sync(call)
    assert is_much
    assert held_bytes <= 128 * 1024


def test_a_client_that_leaves_before_its_answer_is_noticed(io_loop: Any) -> None:
    async def call() -> None:
        async with held_site() as held:
            _, writer = await asyncio.open_connection("127.0.0.1", held.port)
            writer.write(request("POST", ONE, [], EVENT))
            await until(lambda: held.site.activity.under_way)
            writer.transport.abort()
            await until(lambda: not held.site.activity.under_way)

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


def test_answers_are_not_held_back(io_loop: Any) -> None:
    async def call() -> int:
        async with held_site() as held:
            _, writer = await asyncio.open_connection("127.0.0.1", held.port)
            writer.write(request("POST", ONE, [], EVENT))
            await until(lambda: held.site.activity.under_way)
            nodelay = held.streams[0].socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            writer.transport.abort()
            return nodelay

    assert 1 == io_loop.run_sync(call)
