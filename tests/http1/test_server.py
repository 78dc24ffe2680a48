"""The limit of connections, over real sockets."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from handlers.connection_errors import ConnectionErrors
from http1.server import CollectorServer
from http1.watchdog import TimeLimits
from tests.handlers.server import Site, make_site
from tests.http1.raw_http import connected, request
from tests.http1.serving import serving
from tests.support.waiting import until

HEALTH = request("GET", "/health")
BODY = b'{"event_type":"cc"} '
HEAD = request("POST", "/api/v1/events", [("Content-Length", str(len(BODY)))])


async def test_an_idle_connection_makes_room_for_a_new_one() -> None:
    async with (
        serving(make_site(), max_connections=2) as port,
        connected(port) as first,
        connected(port) as second,
    ):
        assert 200 == (await first.ask(HEALTH)).status
        assert 200 == (await second.ask(HEALTH)).status
        async with connected(port) as newest:
            assert 200 == (await newest.ask(HEALTH)).status
            assert b"" == await first.rest()
            assert 200 == (await second.ask(HEALTH)).status


async def test_the_response_to_a_connection_over_the_limit_says_when_to_retry() -> None:
    site = make_site()
    async with (
        serving(site, max_connections=2) as port,
        connected(port) as first,
        connected(port) as second,
    ):
        first.send(HEAD)
        second.send(HEAD)
        await until(lambda: site.activity.in_flight == 2)
        async with connected(port) as refused:
            response = await refused.response()
            assert (503, "1") == (response.status, response.headers["retry-after"])
            assert "server_busy" == response.json["error"]["code"]
            assert response.json["request_id"] == response.headers["x-request-id"]
            async with connected(port) as next_one:
                again = await next_one.response()
            assert response.headers["x-request-id"] != again.headers["x-request-id"]
            assert b"" == await refused.rest()
        assert 200 == (await first.ask(BODY)).status
        assert 200 == (await second.ask(BODY)).status
        async with connected(port) as newest:
            assert 200 == (await newest.ask(HEALTH)).status


async def test_closing_all_connections_includes_busy_ones() -> None:
    site = make_site()
    async with serving(site) as port, connected(port) as idle, connected(port) as busy:
        assert 200 == (await idle.ask(HEALTH)).status
        busy.send(HEAD)
        await until(lambda: site.activity.in_flight)
        assert 2 == site.activity.open_connections
        site.activity.close_all()
        assert (b"", b"") == (await idle.rest(), await busy.rest())
        assert (0, 0) == (site.activity.open_connections, site.activity.in_flight)


@contextlib.asynccontextmanager
async def drainable(site: Site) -> AsyncIterator[tuple[CollectorServer, int]]:
    server = CollectorServer(site.app, site.activity, ConnectionErrors(), 10, TimeLimits())
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server.add_sockets([listening])
    yield server, port
    server.stop()
    await server.close_all_connections()


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("http1.server._GRACE_S", 0.0)


async def test_a_drained_server_responds_once_more_on_each_open_connection() -> None:
    site = make_site()
    async with drainable(site) as (server, port), connected(port) as one, connected(port) as other:
        assert 200 == (await one.ask(HEALTH)).status
        draining = asyncio.ensure_future(server.drain(30.0))
        await until(lambda: site.activity.draining)
        for client in (one, other):
            response = await client.ask(HEALTH)
            assert (200, "close") == (response.status, response.headers["connection"])
            assert b"" == await client.rest()
            client.writer.close()
        assert 0 == await draining


async def test_a_drained_server_ends_idle_connections(no_grace: None) -> None:
    async with drainable(make_site()) as (server, port), connected(port) as idle:
        assert 200 == (await idle.ask(HEALTH)).status
        draining = asyncio.ensure_future(server.drain(30.0))
        assert b"" == await idle.rest()
        idle.writer.close()
        assert 0 == await draining


async def test_a_drained_server_finishes_what_was_begun(no_grace: None) -> None:
    site = make_site()
    async with drainable(site) as (server, port), connected(port) as client:
        client.send(HEAD)
        await until(lambda: site.activity.in_flight)
        draining = asyncio.ensure_future(server.drain(30.0))
        await until(lambda: site.activity.draining)
        response = await client.ask(BODY)
        assert (200, "close") == (response.status, response.headers["connection"])
        client.writer.close()
        assert 0 == await draining


async def test_draining_is_bounded_and_says_how_many_requests_were_left(no_grace: None) -> None:
    site = make_site()
    async with drainable(site) as (server, port), connected(port) as client:
        client.send(HEAD)
        await until(lambda: site.activity.in_flight)
        draining = asyncio.ensure_future(server.drain(0.01))
        response = await client.response()
        assert (408, "close") == (response.status, response.headers["connection"])
        client.writer.close()
        assert 1 == await draining
        assert 0 == site.activity.open_connections


async def test_connections_that_the_kernel_has_established_are_served_before_the_end() -> None:
    site = make_site()
    async with drainable(site) as (server, port):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(HEALTH)
            # The event loop has had no turn since, so nothing was accepted yet.
            draining = asyncio.ensure_future(server.drain(30.0))
            client.setblocking(False)
            received = await asyncio.get_running_loop().sock_recv(client, 65536)
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert 0 == await draining


async def test_a_stopped_server_accepts_no_connection() -> None:
    async with serving(make_site()) as port:
        pass
    with pytest.raises(ConnectionRefusedError):
        async with connected(port):
            pass
