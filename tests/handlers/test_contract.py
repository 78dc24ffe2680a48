"""Promises of every endpoint, over real sockets."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from tornado.netutil import bind_sockets

from handlers.connection_errors import ConnectionErrors
from handlers.errors import ERRORS
from http1.activity import Activity
from http1.server import CollectorServer
from http1.watchdog import TimeLimits
from tests.handlers.raw import send_raw
from tests.handlers.server import EVENT as EVENT
from tests.handlers.server import ONE as ONE
from tests.handlers.server import SHOP, Site, make_site
from tests.http1.raw_http import exchange, request


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("GET", "/ready", 200),
        ("GET", "/", 404),
        ("POST", "/nowhere", 404),
        ("PUT", "/nowhere", 404),
        ("GET", "/api/v1/events/1", 404),
        ("GET", ONE, 405),
        ("PUT", ONE, 405),
        ("DELETE", ONE + "/batch", 405),
        ("POST", "/health", 405),
        ("PROPFIND", "/health", 405),
        ("OPTIONS", ONE, 204),
        ("POST", ONE, 400),
    ],
)
async def test_every_response_has_a_request_id_and_the_cors_headers(
    method: str, path: str, status: int
) -> None:
    response = await send_raw(make_site(), request(method, path, [("Origin", SHOP)]))
    assert status == response.status
    assert re.fullmatch(r"[0-9a-f]{16}", response.headers["x-request-id"])
    assert "server" not in response.headers
    if path != "/health" and path != "/ready":
        assert SHOP == response.headers["access-control-allow-origin"]
        assert "true" == response.headers["access-control-allow-credentials"]
        assert "Origin" in response.headers["vary"]
    if status >= 400:
        assert "application/json" == response.headers["content-type"]
        assert response.headers["x-request-id"] == response.json["request_id"]
        assert response.json["error"]["code"] in ERRORS


Close = Callable[[Activity, float], int]


@pytest.mark.parametrize(
    ("sent", "responses", "close"),
    [
        (b"", 0, Activity.end_idle),
        (b"POST /api/v1/events HTT", 0, Activity.close_stalled),
        (request("GET", "/health", [], b""), 1, Activity.end_idle),
        (request("POST", ONE, [("Content-Length", "9")], b"{"), 0, Activity.close_stalled),
    ],
    ids=["nothing", "half a head", "no second request", "half a body"],
)
async def test_a_connection_on_which_nothing_more_comes_is_closed(
    sent: bytes, responses: int, close: Close
) -> None:
    clock = [0.0]
    site = make_site(monotonic=lambda: clock[0])
    server = CollectorServer(site.app, site.activity, ConnectionErrors(), 10, TimeLimits())
    (socket,) = bind_sockets(0, "127.0.0.1")
    address = socket.getsockname()
    server.add_sockets([socket])
    reader, writer = await asyncio.open_connection(*address)
    writer.write(sent)
    await asyncio.sleep(0.05)
    clock[0] = 120.0
    assert 0 == close(site.activity, 120)
    clock[0] = 120.1
    assert 1 == close(site.activity, 120)
    assert responses == (await reader.read()).count(b"HTTP/1.1")
    await server.close_all_connections()
    assert 0 == site.activity.in_flight
    assert 0 == site.activity.open_connections
    server.stop()
    writer.close()


GARBAGE = [
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50) + b"\r\n\r\n",
    b"POST /api/v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    b"POST /api/v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /api/v1/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /api/v1/events HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    b"GET /%ff%00%0a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /api/v1/events HTTP/1.1\r\nHost: a\r\nOrigin: \xff\r\nContent-Length: 2\r\n\r\n{}",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_never_costs_the_next_client(
    http_server: Any, http_port: int, site: Site, garbage: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", http_port)
    writer.write(garbage)
    writer.write_eof()
    try:
        received = await reader.read()
    except ConnectionError:
        received = b""
    writer.close()
    assert b" 500 " not in received
    assert 200 == (await exchange(http_port, request("POST", ONE, [], EVENT))).status
    assert 1 == len(site.sink.events)
