"""Promises of every endpoint, over real sockets."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from handlers.body import BodyBudget
from handlers.errors import ERRORS
from http1.watchdog import TimeLimits, Watchdog
from tests.handlers.raw import raw_failure, send_raw
from tests.handlers.server import BATCH, EVENT, ONE, PIXEL, SHOP, Site, make_site
from tests.http1.raw_http import connected, exchange, request
from tests.http1.serving import serving
from tests.support.waiting import until


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


HALF_A_BODY = request("POST", ONE, [("Content-Length", "9"), ("Origin", SHOP)], b"{")


@dataclass
class Timed:
    """A served site whose time stands still until a test moves it."""

    site: Site
    port: int
    watchdog: Watchdog
    clock: list[float]

    def wait_for(self, seconds: float) -> None:
        """Let time pass; look at the connections before and after."""
        self.watchdog.check()
        self.clock[0] += seconds
        self.watchdog.check()


@contextlib.asynccontextmanager
async def timed() -> AsyncIterator[Timed]:
    clock = [0.0]
    site = make_site(monotonic=lambda: clock[0])
    async with serving(site) as port:
        yield Timed(site, port, Watchdog(site.activity, TimeLimits()), clock)


@pytest.mark.parametrize(
    ("sent", "responses"),
    [(b"", 0), (request("GET", "/health", [], b""), 1)],
    ids=["nothing", "no second request"],
)
async def test_a_connection_on_which_nothing_more_comes_is_closed(
    sent: bytes, responses: int
) -> None:
    async with timed() as t, connected(t.port) as client:
        client.send(sent)
        await until(lambda: t.site.activity.open_connections)
        await asyncio.sleep(0.05)
        t.wait_for(120.0)
        assert not client.reader.at_eof()
        t.wait_for(0.1)
        assert responses == (await client.rest()).count(b"HTTP/1.1")


@pytest.mark.parametrize(
    "sent", [b"POST /api/v1/events HTT", HALF_A_BODY], ids=["half a head", "half a body"]
)
async def test_a_request_of_which_nothing_more_comes_gets_a_408(sent: bytes) -> None:
    async with timed() as t, connected(t.port) as client:
        client.send(sent)
        await until(lambda: any(each.progress for each in t.site.activity.established))
        t.wait_for(29.9)
        t.wait_for(30.0)
        response = await client.response()
        assert (408, "request_timeout") == raw_failure(response)
        assert "close" == response.headers["connection"]
        assert response.headers["x-request-id"] == response.json["request_id"]
        assert b"" == await client.rest()
        assert 0 == t.site.activity.in_flight
    assert BodyBudget().left == t.site.budget.left


async def test_a_page_may_read_the_408_of_its_body_and_its_event_is_counted() -> None:
    async with timed() as t, connected(t.port) as client:
        client.send(HALF_A_BODY)
        await until(lambda: t.site.activity.in_flight)
        t.wait_for(30.0)
        response = await client.response()
        assert SHOP == response.headers["access-control-allow-origin"]
    counters = t.site.sink.counters
    assert (1, 1) == (counters.arrived, counters.refused)


DIGITS = "1" * 5000


@pytest.mark.parametrize("path", [ONE, BATCH, PIXEL, "/health", "/selftest.js"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", f"a:{DIGITS}"),
        ("Host", f"[::1]:{DIGITS}"),
        ("Host", DIGITS),
        ("Origin", f"https://a:{DIGITS}"),
        ("Referer", f"https://a:{DIGITS}/"),
        ("X-Forwarded-For", f"1.2.3.4:{DIGITS}"),
        ("X-Forwarded-For", DIGITS),
        ("X-Real-Ip", f"[::1]:{DIGITS}"),
        ("Range", f"bytes={DIGITS}-{DIGITS}"),
        ("Content-Length", DIGITS),
        ("Content-Type", f"application/json; charset={DIGITS}"),
        ("Accept-Encoding", f"gzip;q=0.{DIGITS}"),
        ("If-None-Match", DIGITS),
        ("If-Modified-Since", DIGITS),
        ("Expect", DIGITS),
        ("Keep-Alive", f"timeout={DIGITS}"),
        ("Max-Forwards", DIGITS),
        ("Access-Control-Request-Headers", DIGITS),
        ("Cookie", f"a={DIGITS}; $Version={DIGITS}"),
    ],
)
async def test_a_number_of_thousands_of_digits_is_no_defect(
    path: str, name: str, value: str
) -> None:
    origins = ["https://*.example.com"]
    for method in ("GET", "POST", "OPTIONS"):
        sent = request(method, path, [(name, value)])
        if name == "Host":
            sent = sent.replace(b"Host: test\r\n", b"", 1)
        response = await send_raw(make_site(origins=origins, trusted=["127.0.0.0/8"]), sent)
        assert response.status < 500


async def test_numbers_of_thousands_of_digits_in_a_target_are_no_defect() -> None:
    targets = [
        f"http://a:{DIGITS}/health",
        f"//a:{DIGITS}/health",
        f"{PIXEL}?sent_at={DIGITS}&e={DIGITS}&timestamp={DIGITS}",
        f"/selftest/report?run={DIGITS}",
        f"{ONE}?selftest={DIGITS}.row.{DIGITS}",
        f"/beacon.{DIGITS}.js",
        f"/health?{DIGITS}",
    ]
    for target in targets:
        response = await send_raw(make_site(), request("GET", target))
        assert response.status < 500, target[:40]


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
