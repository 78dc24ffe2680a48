"""More connections than there is room for."""

import asyncio
import resource
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from handlers.connection_errors import ConnectionErrors
from http1.listener import Listener, connection_limit
from http1.server import CollectorServer
from tests.handlers.server import Site
from tests.http1.raw_http import Answer, read_answer, request

HEALTH = request("GET", "/health")


class Client:
    """A connection that stays open until the end of the test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, raw: bytes = HEALTH) -> Answer:
        self.writer.write(raw)
        async with asyncio.timeout(30):
            return await read_answer(self.reader)

    async def is_closed(self) -> bool:
        async with asyncio.timeout(30):
            return await self.reader.read() == b""


Connect = Callable[[], Awaitable[Client]]


@pytest.fixture
def small_server(site: Site, io_loop: Any) -> Any:
    """Runs a scenario with a way to connect to a server that has room for two connections."""

    def go(scenario: Callable[[Connect], Awaitable[None]]) -> None:
        async def call() -> None:
            server = CollectorServer(site.app, site.activity, ConnectionErrors(), 2)
            listening = socket.create_server(("127.0.0.1", 0))
            port = listening.getsockname()[1]
            server.add_sockets([listening])
            clients: list[Client] = []

            async def connect() -> Client:
                clients.append(Client(*await asyncio.open_connection("127.0.0.1", port)))
                return clients[-1]

            try:
                await scenario(connect)
            finally:
                server.stop()
                await server.close_all_connections()
                for client in clients:
                    client.writer.close()

        io_loop.run_sync(call)

    return go


def test_an_idle_connection_makes_room_for_a_new_one(small_server: Any) -> None:
    async def scenario(connect: Connect) -> None:
        clients = [await connect() for _ in range(2)]
        assert [200, 200] == [(await client.ask()).status for client in clients]
        newest = await connect()
        assert (await newest.ask()).status == 200
        assert await clients[0].is_closed()
        assert (await clients[1].ask()).status == 200

    small_server(scenario)


def test_a_connection_too_many_is_told_when_to_come_again(small_server: Any) -> None:
    async def scenario(connect: Connect) -> None:
        busy = [await connect() for _ in range(2)]
        head = b"POST /api/v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n"
        for client in busy:
            client.writer.write(head)
        await asyncio.sleep(0.05)
        refused = await connect()
        async with asyncio.timeout(30):
            answer = await read_answer(refused.reader)
        assert (503, "1") == (answer.status, answer.headers["retry-after"])
        assert "server_busy" == answer.json["error"]["code"]
        assert await refused.is_closed()
        for client in busy:
            assert (await client.ask(b'{"event_type":"cc"} ')).status == 200
        newest = await connect()
        assert (await newest.ask()).status == 200

    small_server(scenario)


def test_without_a_descriptor_left_a_client_is_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures = [OSError(24, "Too many open files")]
    accept = socket.socket.accept

    def failing(self: socket.socket) -> Any:
        if failures:
            raise failures.pop()
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", failing)
    with (
        Listener.of(socket.create_server(("127.0.0.1", 0)), lambda: True, b"refused") as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        listener.setblocking(True)
        with pytest.raises(ConnectionAbortedError):
            listener.accept()
        client.settimeout(30)
        assert b"refused" == client.recv(1000)
        with socket.create_connection(listener.getsockname()):
            listener.accept()[0].close()


def test_clients_never_have_all_descriptors() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert 0 < connection_limit() < max(soft, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
