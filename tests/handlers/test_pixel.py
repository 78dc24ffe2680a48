"""Promises of the pixel."""

import asyncio
import struct
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from handlers.pixel import GIF
from storage.refusals import JournalFull
from tests.handlers.server import PIXEL, Fetch, Site, make_site

LISTED = "https://shop.example.com"


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Site:
    return make_site(origins=getattr(request, "param", ("*",)))


listed = pytest.mark.parametrize("site", [(LISTED,)], indirect=True)


def gif(response: HTTPResponse) -> tuple[int, str, bytes]:
    return response.code, response.headers["Content-Type"], response.body


def test_the_gif_is_the_smallest_transparent_one() -> None:
    assert 43 == len(GIF)
    assert (b"GIF89a", 1, 1) == struct.unpack("<6sHH", GIF[:10])
    assert b"\x21\xf9\x04\x01" in GIF
    assert GIF.endswith(b";")


async def test_an_image_request_is_an_event(fetch: Fetch, site: Site) -> None:
    response = await fetch(f"{PIXEL}?event_type=open&event_id=e1&p.campaign=spring", "GET")
    assert (200, "image/gif", GIF) == gif(response)
    assert "no-store" == response.headers["Cache-Control"]
    assert "e1" == response.headers["X-Event-Id"]
    assert "cross-origin" == response.headers["Cross-Origin-Resource-Policy"]
    assert [("open", {"campaign": "spring"})] == [
        (event["event_type"], event["properties"]) for event in site.sink.events
    ]
    assert (1, 1) == (site.sink.counters.arrived, site.sink.counters.durable)


async def test_a_duplicate_says_so(fetch: Fetch, site: Site) -> None:
    first, second = [await fetch(f"{PIXEL}?event_type=open&event_id=e1", "GET") for _ in range(2)]
    assert "X-Event-Duplicate" not in first.headers
    assert "true" == second.headers["X-Event-Duplicate"]
    assert 1 == len(site.sink.events)


async def test_a_conflict_says_so(fetch: Fetch, site: Site) -> None:
    first, other = [await fetch(f"{PIXEL}?event_type={each}&event_id=e1", "GET") for each in "ab"]
    assert "X-Event-Conflict" not in first.headers
    assert "true" == other.headers["X-Event-Conflict"]
    assert [first.headers["X-Event-Id"], other.headers["X-Event-Id"]] == [
        each["event_id"] for each in site.sink.events
    ]


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ("", 400, "invalid_event: event_type is required"),
        (
            "event_type=a&event_type=b",
            400,
            "invalid_query: the parameter event_type appears twice: send it once",
        ),
        ("event_type=a&x=" + "x" * 3000, 413, "event_too_large: "),
    ],
)
async def test_a_rejected_event_gets_the_gif_and_the_reason_in_a_header(
    fetch: Fetch, site: Site, query: str, status: int, reason: str
) -> None:
    response = await fetch(f"{PIXEL}?{query}", "GET")
    assert (status, "image/gif", GIF) == gif(response)
    assert response.headers["X-Event-Error"].startswith(reason)
    assert (1, 1) == (site.sink.counters.arrived, site.sink.counters.rejected)
    assert [] == site.sink.events


@pytest.mark.parametrize(
    "name", ["%0D%0ASet-Cookie:%20a=b", "%00", "%C3%BC", "%E2%80%A8", "x" * 900]
)
async def test_no_client_writes_a_header(fetch: Fetch, name: str) -> None:
    response = await fetch(f"{PIXEL}?{name}=1&{name}=2", "GET")
    reason = response.headers["X-Event-Error"]
    assert reason.isascii()
    assert reason.isprintable()
    assert len(reason) <= 300
    assert "Set-Cookie" not in response.headers


async def test_an_event_that_may_be_retried_gets_no_image(fetch: Fetch, site: Site) -> None:
    site.sink.refused = JournalFull("the journal is full", 7)
    response = await fetch(f"{PIXEL}?event_type=open", "GET")
    assert (503, "application/json") == (response.code, response.headers["Content-Type"])
    assert "7" == response.headers["Retry-After"]
    assert (1, 1) == (site.sink.counters.arrived, site.sink.counters.refused)


async def test_a_query_that_was_sent_without_percent_signs_is_read_as_utf_8(
    site: Site, http_server: object, http_port: int
) -> None:
    async def send(query: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", http_port)
        writer.write(b"GET " + PIXEL.encode() + b"?event_type=" + query + b" HTTP/1.0\r\n\r\n")
        received = await reader.read()
        writer.close()
        return received

    assert b" 200 OK" in await send("grün".encode())
    assert ["grün"] == [event["event_type"] for event in site.sink.events]
    assert b"must be UTF-8" in await send(b"\xff")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
async def test_other_methods_accept_no_event(fetch: Fetch, site: Site, method: str) -> None:
    body: dict[str, Any] = {"body": b"{}"} if method in {"POST", "PUT"} else {}
    response = await fetch(f"{PIXEL}?event_type=open", method, **body)
    assert (405, "GET, OPTIONS") == (response.code, response.headers["Allow"])
    assert (0, []) == (site.sink.counters.arrived, site.sink.events)


async def test_a_preflight_is_granted(fetch: Fetch) -> None:
    response = await fetch(PIXEL, "OPTIONS", headers={"Origin": LISTED})
    assert (204, "GET, OPTIONS") == (
        response.code,
        response.headers["Access-Control-Allow-Methods"],
    )


@listed
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": LISTED}, 200),
        ({"Referer": f"{LISTED}/cart?x=1"}, 200),
        ({"Referer": "android-app://com.example.mail/"}, 200),
        ({"Referer": "about:blank"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Referer": "https://evil.example/"}, 403),
        ({"Referer": f"{LISTED}.evil.example/"}, 403),
        ({"Origin": LISTED, "Referer": "https://evil.example/"}, 200),
        ({"Origin": "https://evil.example", "Referer": LISTED}, 403),
    ],
)
async def test_an_image_is_admitted_by_the_origin_of_its_page(
    fetch: Fetch, site: Site, headers: dict[str, str], status: int
) -> None:
    response = await fetch(f"{PIXEL}?event_type=open", "GET", headers=headers)
    assert (status, "image/gif", GIF) == gif(response)
    assert ("X-Event-Error" in response.headers) == (status == 403)
    assert (status == 200) == bool(site.sink.events)


@listed
async def test_a_referer_gets_no_cors_headers(fetch: Fetch, site: Site) -> None:
    assert [LISTED] == list(site.app.settings["head_rules"].origins.origins)
    response = await fetch(f"{PIXEL}?event_type=open", "GET", headers={"Referer": LISTED})
    assert "Access-Control-Allow-Origin" not in response.headers


async def test_a_script_may_read_the_reason(fetch: Fetch) -> None:
    response = await fetch(PIXEL, "GET", headers={"Origin": LISTED})
    assert LISTED == response.headers["Access-Control-Allow-Origin"]
    assert "X-Event-Error" in response.headers["Access-Control-Expose-Headers"]


async def test_the_log_has_no_query(fetch: Fetch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    await fetch(f"{PIXEL}?event_type=open&user_id=secret", "GET")
    assert "secret" not in str([vars(record) for record in caplog.records])
