"""What holds for every answer, over real sockets."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse
from tornado.netutil import bind_sockets

from handlers.body import BodyBudget
from handlers.errors import ERRORS
from http1.activity import Activity
from http1.server import CollectorServer
from storage.refusals import JournalFull
from tests.handlers.server import Site, make_site
from tests.http1.raw_http import Answer, exchange, read_answer, request
from tests.http1.serving import serving

Fetch = Callable[..., HTTPResponse]
Exchange = Callable[..., Answer]

ONE = "/api/v1/events"
EVENT = b'{"event_type":"c"}'
SHOP = "https://shop.example"


@pytest.fixture
def send(http_server: Any, http_port: int, io_loop: Any) -> Exchange:
    """Send bytes and read an answer."""
    return lambda *pieces: io_loop.run_sync(lambda: exchange(http_port, *pieces))


def error_code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["error"]["code"]


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
def test_every_answer_has_a_request_id_and_the_cors_headers(
    send: Exchange, method: str, path: str, status: int
) -> None:
    answer = send(request(method, path, [("Origin", SHOP)]))
    assert status == answer.status
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])
    assert "server" not in answer.headers
    if path != "/health" and path != "/ready":
        assert SHOP == answer.headers["access-control-allow-origin"]
        assert "true" == answer.headers["access-control-allow-credentials"]
        assert "Origin" in answer.headers["vary"]
    if status >= 400:
        assert "application/json" == answer.headers["content-type"]
        assert answer.headers["x-request-id"] == answer.json["request_id"]
        assert answer.json["error"]["code"] in ERRORS


@pytest.mark.parametrize(
    ("path", "allow"),
    [(ONE, "OPTIONS, POST"), (ONE + "/batch", "OPTIONS, POST"), ("/health", "GET, HEAD")],
)
def test_a_405_names_the_methods_there_are(send: Exchange, path: str, allow: str) -> None:
    answer = send(request("PATCH", path))
    assert (405, "method_not_allowed") == error_code(answer)
    assert allow == answer.headers["allow"]


def test_head_on_health_has_the_headers_and_no_body(
    http_server: Any, http_port: int, io_loop: Any
) -> None:
    async def call() -> tuple[Answer, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", http_port)
        writer.write(request("HEAD", "/health", [("Connection", "close")]))
        answer = await read_answer(reader, has_body=False)
        rest = await reader.read()
        writer.close()
        return answer, rest

    answer, rest = io_loop.run_sync(call)
    assert 200 == answer.status
    assert 0 < int(answer.headers["content-length"])
    assert b"" == rest


@pytest.mark.parametrize(
    ("given", "trusted", "is_kept"),
    [
        ("abc-1", True, True),
        ("abc-1", False, False),
        ("a" * 65, True, False),
        ("a b", True, False),
        ("a\xff", True, False),
    ],
)
def test_a_request_id_is_kept_if_a_trusted_proxy_gives_a_plain_one(
    io_loop: Any, given: str, trusted: bool, is_kept: bool
) -> None:
    site = make_site(trusted=["127.0.0.0/8"] if trusted else [])
    answer = on_a_site(io_loop, site, request("GET", "/health", [("X-Request-Id", given)]))
    assert is_kept == (given == answer.headers["x-request-id"])


def on_a_site(io_loop: Any, site: Site, *pieces: bytes) -> Answer:
    async def call() -> Answer:
        async with serving(site) as port:
            return await exchange(port, *pieces)

    answer: Answer = io_loop.run_sync(call)
    return answer


def test_the_address_that_is_stored_is_not_one_a_client_makes_up(io_loop: Any) -> None:
    site = make_site()
    headers = [("X-Forwarded-For", "6.6.6.6"), ("X-Real-IP", "6.6.6.6")]
    assert 200 == on_a_site(io_loop, site, request("POST", ONE, headers, EVENT)).status
    assert "127.0.0.1" == site.sink.events[0]["ip_address"]


def test_the_address_that_is_stored_is_the_one_a_trusted_proxy_saw(io_loop: Any) -> None:
    site = make_site(trusted=["127.0.0.0/8", "10.0.0.0/8"])
    headers = [("X-Forwarded-For", "6.6.6.6, 192.0.2.9"), ("X-Forwarded-For", "10.0.0.1")]
    assert 200 == on_a_site(io_loop, site, request("POST", ONE, headers, EVENT)).status
    assert "192.0.2.9" == site.sink.events[0]["ip_address"]


def test_a_page_of_another_origin_is_refused_and_its_event_is_not_stored(io_loop: Any) -> None:
    site = make_site(origins=["https://*.example.com"])
    answer = on_a_site(io_loop, site, request("POST", ONE, [("Origin", SHOP)], EVENT))
    assert (403, "origin_not_allowed") == error_code(answer)
    assert [] == site.sink.events
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    preflight = request("OPTIONS", ONE, [("Origin", SHOP)])
    assert 403 == on_a_site(io_loop, site, preflight).status


def test_a_page_of_a_listed_subdomain_is_let_in(io_loop: Any) -> None:
    site = make_site(origins=["https://*.example.com"])
    headers = [("Origin", "https://shop.example.com")]
    answer = on_a_site(io_loop, site, request("POST", ONE, headers, EVENT))
    assert (200, "https://shop.example.com") == (
        answer.status,
        answer.headers["access-control-allow-origin"],
    )
    assert 1 == len(site.sink.events)


def test_a_server_without_an_origin_is_let_in_whatever_the_list(io_loop: Any) -> None:
    site = make_site(origins=["https://*.example.com"])
    assert 200 == on_a_site(io_loop, site, request("POST", ONE, [], EVENT)).status


def test_a_preflight_grants_the_headers_that_were_asked_for(send: Exchange) -> None:
    answer = send(
        request(
            "OPTIONS",
            ONE,
            [
                ("Origin", SHOP),
                ("Access-Control-Request-Method", "POST"),
                ("Access-Control-Request-Headers", "authorization,x-project-id"),
            ],
        )
    )
    assert (204, b"") == (answer.status, answer.body)
    granted = answer.headers["access-control-allow-headers"]
    assert {"authorization", "x-project-id"} == set(granted.lower().replace(" ", "").split(","))
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert 0 < int(answer.headers["access-control-max-age"])


def test_ready_tells_why_not(fetch: Fetch, site: Site) -> None:
    site.sink.refused = JournalFull("the journal is full", 7)
    response = fetch("/ready", "GET")
    assert (503, "7") == (response.code, response.headers["Retry-After"])
    assert "journal_full" == json.loads(response.body)["error"]["code"]
    assert 200 == fetch("/health", "GET").code


def test_a_server_that_stops_is_not_ready_and_closes_connections(fetch: Fetch, site: Site) -> None:
    site.activity.draining = True
    response = fetch("/ready", "GET")
    assert (503, "shutting_down") == (
        response.code,
        json.loads(response.body)["error"]["code"],
    )
    assert "close" == response.headers["Connection"].lower()


def test_a_request_that_is_answered_is_not_in_flight_any_more(fetch: Fetch, site: Site) -> None:
    fetch(ONE, body=EVENT)
    fetch(ONE, body=b"nonsense")
    fetch("/nowhere", "GET")
    assert 0 == site.activity.in_flight


def test_a_request_whose_client_went_is_not_in_flight_any_more(
    http_server: Any, http_port: int, io_loop: Any, site: Site
) -> None:
    async def call() -> list[int]:
        _, writer = await asyncio.open_connection("127.0.0.1", http_port)
        writer.write(request("POST", ONE, [("Content-Length", "100")]))
        seen: list[int] = []
        for expected in (1, 0):
            while site.activity.in_flight != expected:
                await asyncio.sleep(0.01)
            seen.append(expected)
            writer.close()
        return seen

    assert [1, 0] == io_loop.run_sync(call)


def test_what_a_client_that_went_had_sent_is_released(
    http_server: Any, http_port: int, io_loop: Any, site: Site
) -> None:
    async def call() -> int:
        _, writer = await asyncio.open_connection("127.0.0.1", http_port)
        writer.write(request("POST", ONE, [("Content-Length", "100")], b"x" * 99))
        while site.budget.left == BodyBudget().left:
            await asyncio.sleep(0.01)
        writer.close()
        while site.activity.in_flight:
            await asyncio.sleep(0.01)
        return site.budget.left

    assert BodyBudget().left == io_loop.run_sync(call)


Close = Callable[[Activity, float], int]


@pytest.mark.parametrize(
    ("sent", "close"),
    [
        (b"", Activity.close_idle),
        (b"POST /api/v1/events HTT", Activity.close_idle),
        (request("GET", "/health", [], b""), Activity.close_idle),
        (request("POST", ONE, [("Content-Length", "9")], b"{"), Activity.close_stalled),
    ],
    ids=["nothing", "half a head", "no second request", "half a body"],
)
def test_what_does_not_come_costs_its_connection(io_loop: Any, sent: bytes, close: Close) -> None:
    clock = [0.0]
    site = make_site(monotonic=lambda: clock[0])

    async def call() -> list[bool]:
        server = CollectorServer(site.app, site.activity, 10)
        (socket,) = bind_sockets(0, "127.0.0.1")
        address = socket.getsockname()
        server.add_sockets([socket])
        reader, writer = await asyncio.open_connection(*address)
        writer.write(sent)
        await asyncio.sleep(0.05)
        clock[0] = 120.0
        found = [close(site.activity, 120) == 0]
        clock[0] = 120.1
        found.append(close(site.activity, 120) == 1)
        found.append((await reader.read()).count(b"HTTP/1.1") == sent.startswith(b"GET"))
        await server.close_all_connections()
        found.append(site.activity.in_flight == site.activity.close_idle(-1) == 0)
        server.stop()
        writer.close()
        return found

    assert [True] * 4 == io_loop.run_sync(call)


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
def test_garbage_never_costs_the_next_client(
    http_server: Any, http_port: int, io_loop: Any, site: Site, garbage: bytes
) -> None:
    async def call() -> tuple[bytes, int]:
        reader, writer = await asyncio.open_connection("127.0.0.1", http_port)
        writer.write(garbage)
        writer.write_eof()
        try:
            told = await reader.read()
        except ConnectionError:
            told = b""
        writer.close()
        return told, (await exchange(http_port, request("POST", ONE, [], EVENT))).status

    told, status = io_loop.run_sync(call)
    assert b" 500 " not in told
    assert 200 == status
    assert 1 == len(site.sink.events)
