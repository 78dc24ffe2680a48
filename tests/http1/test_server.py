"""The limit of connections, over real sockets."""

import pytest

from tests.handlers.server import make_site
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


async def test_a_stopped_server_accepts_no_connection() -> None:
    async with serving(make_site()) as port:
        pass
    with pytest.raises(ConnectionRefusedError):
        async with connected(port):
            pass
