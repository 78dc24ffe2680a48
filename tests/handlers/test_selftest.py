"""Promises of the self-test and its report."""

import gzip
import json
import re
import time
from typing import Any

import pytest

from handlers.pixel import GIF
from handlers.selftest import SelfTestLog
from storage.refusals import JournalFull
from tests.handlers.server import Fetch, Site, make_site

RUN = "0123456789abcdef" * 2
LISTED = "https://shop.example.com"
EVENT = b'{"event_type": "selftest"}'


@pytest.fixture
def site() -> Site:
    return make_site(origins=[LISTED], trusted=["127.0.0.1/32"], aliases=["/a"])


def marked(path: str, row: str, sent_ms: float | None = None) -> str:
    sent = time.time() * 1000 if sent_ms is None else sent_ms
    return f"{path}?selftest={RUN}.{row}.{sent:.0f}"


async def report(fetch: Fetch, run: str = RUN) -> Any:
    return json.loads((await fetch(f"/selftest/report?run={run}", "GET")).body)


async def test_an_event_of_a_self_test_is_validated_and_discarded(fetch: Fetch, site: Site) -> None:
    headers = {"Origin": LISTED, "Content-Type": "text/plain", "Authorization": "Bearer secret"}
    response = await fetch(marked("/api/v1/events", "post"), body=EVENT, headers=headers)
    assert 200 == response.code
    assert "self-test: validated, then discarded" == json.loads(response.body)["message"]
    assert "discarded" == response.headers["X-Self-Test"]
    assert [] == site.sink.events
    assert 0 == site.sink.counters.arrived
    seen = (await report(fetch))["rows"]["post"]
    del seen["skew_ms"]
    assert {
        "status": 200,
        "error": None,
        "method": "POST",
        "path": "/api/v1/events",
        "origin": LISTED,
        "origin_allowed": True,
        "origin_rule": "it is in CORS_ALLOWED_ORIGINS",
        "address": "127.0.0.1",
        "peer": "127.0.0.1",
        "peer_trusted": True,
        "forwarded_for": None,
        "content_type": "text/plain",
        "content_encoding": None,
        "authorization": True,
        "bytes": len(EVENT),
    } == seen


async def test_the_report_has_no_secrets(fetch: Fetch) -> None:
    headers = {"Authorization": "Bearer secret", "Cookie": "session=secret"}
    await fetch(marked("/api/v1/events", "post"), body=EVENT, headers=headers)
    assert "secret" not in json.dumps(await report(fetch))


@pytest.mark.parametrize("path", ["/api/v1/events/batch", "/a/b"])
async def test_a_batch_is_reported_too(fetch: Fetch, site: Site, path: str) -> None:
    body = gzip.compress(b"[" + EVENT + b"]")
    response = await fetch(marked(path, "gzip"), body=body, headers={"Content-Encoding": "gzip"})
    assert (200, "self-test: validated, then discarded") == (
        response.code,
        json.loads(response.body)["message"],
    )
    seen = (await report(fetch))["rows"]["gzip"]
    assert (path, "gzip", len(body)) == (seen["path"], seen["content_encoding"], seen["bytes"])
    assert [] == site.sink.events


async def test_the_pixel_is_reported_too(fetch: Fetch, site: Site) -> None:
    response = await fetch(f"{marked('/api/v1/pixel.gif', 'pixel')}&event_type=selftest", "GET")
    assert (200, GIF) == (response.code, response.body)
    assert "discarded" == response.headers["X-Self-Test"]
    assert 200 == (await report(fetch))["rows"]["pixel"]["status"]
    assert [] == site.sink.events


async def test_a_preflight_is_reported_with_the_headers_it_requested(fetch: Fetch) -> None:
    url = marked("/api/v1/events", "authorized")
    asked = {"Origin": LISTED, "Access-Control-Request-Headers": "authorization"}
    await fetch(url, "OPTIONS", headers=asked)
    expected = {"status": 204, "headers": "authorization", "origin_allowed": True}
    assert {"preflight": expected} == (await report(fetch))["rows"]["authorized"]
    await fetch(url, body=EVENT, headers={"Origin": LISTED})
    seen = (await report(fetch))["rows"]["authorized"]
    assert (204, 200) == (seen["preflight"]["status"], seen["status"])


async def test_a_refused_origin_may_read_the_reason(fetch: Fetch) -> None:
    origin = {"Origin": "https://other.example"}
    assert 403 == (await fetch(marked("/api/v1/events", "post"), body=EVENT, headers=origin)).code
    response = await fetch(f"/selftest/report?run={RUN}", "GET", headers=origin)
    assert "*" == response.headers["Access-Control-Allow-Origin"]
    seen = json.loads(response.body)["rows"]["post"]
    assert (403, False) == (seen["status"], seen["origin_allowed"])
    assert seen["error"].startswith("origin_not_allowed")


async def test_the_address_and_its_peer_are_reported(fetch: Fetch) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9"}
    await fetch(marked("/api/v1/events", "post"), body=EVENT, headers=headers)
    seen = (await report(fetch))["rows"]["post"]
    assert ("203.0.113.9", "127.0.0.1", True, "203.0.113.9") == tuple(
        seen[name] for name in ("address", "peer", "peer_trusted", "forwarded_for")
    )


async def test_the_difference_of_the_clocks_is_in_milliseconds(fetch: Fetch) -> None:
    before = time.time()
    await fetch(marked("/api/v1/events", "post", sent_ms=0), body=EVENT)
    after = time.time()
    skew_ms = (await report(fetch))["rows"]["post"]["skew_ms"]
    assert round(before * 1000) <= skew_ms <= round(after * 1000)


async def test_a_refusal_of_the_journal_is_reported(fetch: Fetch, site: Site) -> None:
    site.sink.refused = JournalFull("the journal is full", 7)
    assert 503 == (await fetch(marked("/api/v1/events", "post"), body=EVENT)).code
    assert (await report(fetch))["rows"]["post"]["error"].startswith("journal_full")
    assert 0 == site.sink.counters.refused


@pytest.mark.parametrize("mark", ["", "x", f"{RUN}.post", f"{RUN}.POST.1", f"{RUN}.post.x", "%FF"])
async def test_a_request_without_the_mark_of_a_self_test_is_a_real_one(
    fetch: Fetch, site: Site, mark: str
) -> None:
    assert 200 == (await fetch(f"/api/v1/events?selftest={mark}", body=EVENT)).code
    assert {} == (await report(fetch))["rows"]
    assert 1 == len(site.sink.events)


@pytest.mark.parametrize("query", ["p.selftest=1", "selftest=1", f"p.selftest={RUN}.image.1"])
async def test_an_event_with_a_field_of_that_name_is_a_real_one(
    fetch: Fetch, site: Site, query: str
) -> None:
    assert 200 == (await fetch(f"/api/v1/pixel.gif?event_type=buy&{query}", "GET")).code
    assert ["buy"] == [each["event_type"] for each in site.sink.events]
    assert 1 == site.sink.counters.durable


@pytest.mark.parametrize("run", ["", "0", "g" * 32, RUN + "0", "%FF"])
async def test_an_invalid_run_is_a_400(fetch: Fetch, run: str) -> None:
    assert 400 == (await fetch(f"/selftest/report?run={run}", "GET")).code


async def test_the_report_describes_the_server(fetch: Fetch) -> None:
    found = await report(fetch)
    assert ["/a"] == found["aliases"]
    assert re.fullmatch(r"[0-9a-f]{16}", found["script"]["hash"])
    assert found["script"]["integrity"].startswith("sha384-")


async def test_the_page_runs_nothing_but_its_own_script(fetch: Fetch) -> None:
    response = await fetch("/selftest", "GET")
    assert "text/html; charset=utf-8" == response.headers["Content-Type"]
    assert "default-src 'none'; script-src 'self';" in response.headers["Content-Security-Policy"]
    assert ["/selftest.js"] == re.findall(r'src="([^"]+)"', response.body.decode())
    assert 200 == (await fetch("/selftest.js", "GET")).code


def test_a_new_run_replaces_the_oldest() -> None:
    log = SelfTestLog()
    runs = [f"{number:032x}" for number in range(65)]
    for run in runs:
        log.add(run, "post", {"status": 200})
    assert {} == log.rows(runs[0])
    assert [] == [run for run in runs[1:] if not log.rows(run)]


def test_a_run_has_at_most_64_rows() -> None:
    log = SelfTestLog()
    for number in range(100):
        log.add(RUN, f"row-{number}", {"status": 200})
    log.add(RUN, "row-0", {"error": "late"})
    assert 64 == len(log.rows(RUN))
    assert {"status": 200, "error": "late"} == log.rows(RUN)["row-0"]
