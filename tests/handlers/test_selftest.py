import gzip
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from handlers.pixel import GIF
from handlers.selftest import SelfTestLog
from storage.refusals import JournalFull
from tests.handlers.server import Site, make_site

Fetch = Callable[..., HTTPResponse]

RUN = "0123456789abcdef" * 2
LISTED = "https://shop.example.com"
EVENT = b'{"event_type": "selftest"}'


@pytest.fixture
def site() -> Site:
    return make_site(origins=[LISTED], trusted=["127.0.0.1/32"], aliases=["/a"])


def marked(path: str, row: str, sent_ms: float | None = None) -> str:
    sent = time.time() * 1000 if sent_ms is None else sent_ms
    return f"{path}?selftest={RUN}.{row}.{sent:.0f}"


def report(fetch: Fetch, run: str = RUN) -> Any:
    return json.loads(fetch(f"/selftest/report?run={run}", "GET").body)


def test_a_row_is_judged_as_an_event_and_not_stored(fetch: Fetch, site: Site) -> None:
    headers = {"Origin": LISTED, "Content-Type": "text/plain", "Authorization": "Bearer secret"}
    response = fetch(marked("/api/v1/events", "post"), body=EVENT, headers=headers)
    assert 200 == response.code
    assert "self-test: validated, then discarded" == json.loads(response.body)["message"]
    assert "discarded" == response.headers["X-Self-Test"]
    assert [] == site.sink.events
    assert 0 == site.sink.counters.arrived
    seen = report(fetch)["rows"]["post"]
    assert 0 <= seen.pop("skew_ms") < 5000
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


def test_nothing_secret_is_told(fetch: Fetch) -> None:
    headers = {"Authorization": "Bearer secret", "Cookie": "session=secret"}
    fetch(marked("/api/v1/events", "post"), body=EVENT, headers=headers)
    assert "secret" not in json.dumps(report(fetch))


@pytest.mark.parametrize("path", ["/api/v1/events/batch", "/a/b"])
def test_batches_are_seen_as_well(fetch: Fetch, site: Site, path: str) -> None:
    body = gzip.compress(b"[" + EVENT + b"]")
    response = fetch(marked(path, "gzip"), body=body, headers={"Content-Encoding": "gzip"})
    assert (200, "self-test: validated, then discarded") == (
        response.code,
        json.loads(response.body)["message"],
    )
    seen = report(fetch)["rows"]["gzip"]
    assert (path, "gzip", len(body)) == (seen["path"], seen["content_encoding"], seen["bytes"])
    assert [] == site.sink.events


def test_the_image_is_seen_as_well(fetch: Fetch, site: Site) -> None:
    response = fetch(f"{marked('/api/v1/pixel.gif', 'pixel')}&event_type=selftest", "GET")
    assert (200, GIF) == (response.code, response.body)
    assert "discarded" == response.headers["X-Self-Test"]
    assert 200 == report(fetch)["rows"]["pixel"]["status"]
    assert [] == site.sink.events


def test_a_preflight_is_seen_with_what_it_asked_for(fetch: Fetch) -> None:
    url = marked("/api/v1/events", "authorized")
    asked = {"Origin": LISTED, "Access-Control-Request-Headers": "authorization"}
    fetch(url, "OPTIONS", headers=asked)
    expected = {"status": 204, "headers": "authorization", "origin_allowed": True}
    assert {"preflight": expected} == report(fetch)["rows"]["authorized"]
    fetch(url, body=EVENT, headers={"Origin": LISTED})
    seen = report(fetch)["rows"]["authorized"]
    assert (204, 200) == (seen["preflight"]["status"], seen["status"])


def test_a_refused_origin_may_read_why(fetch: Fetch) -> None:
    origin = {"Origin": "https://other.example"}
    assert 403 == fetch(marked("/api/v1/events", "post"), body=EVENT, headers=origin).code
    response = fetch(f"/selftest/report?run={RUN}", "GET", headers=origin)
    assert "*" == response.headers["Access-Control-Allow-Origin"]
    seen = json.loads(response.body)["rows"]["post"]
    assert (403, False) == (seen["status"], seen["origin_allowed"])
    assert seen["error"].startswith("origin_not_allowed")


def test_the_address_and_the_hop_it_came_from_are_told(fetch: Fetch) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9"}
    fetch(marked("/api/v1/events", "post"), body=EVENT, headers=headers)
    seen = report(fetch)["rows"]["post"]
    assert ("203.0.113.9", "127.0.0.1", True, "203.0.113.9") == tuple(
        seen[name] for name in ("address", "peer", "peer_trusted", "forwarded_for")
    )


def test_a_wrong_clock_shows(fetch: Fetch) -> None:
    fetch(marked("/api/v1/events", "post", time.time() * 1000 - 60_000), body=EVENT)
    assert 60_000 <= report(fetch)["rows"]["post"]["skew_ms"] < 65_000


def test_a_server_that_would_refuse_says_so(fetch: Fetch, site: Site) -> None:
    site.sink.refused = JournalFull("the journal is full", 7)
    assert 503 == fetch(marked("/api/v1/events", "post"), body=EVENT).code
    assert report(fetch)["rows"]["post"]["error"].startswith("journal_full")
    assert 0 == site.sink.counters.refused


@pytest.mark.parametrize("mark", ["", "x", f"{RUN}.post", f"{RUN}.POST.1", f"{RUN}.post.x", "%FF"])
def test_a_mark_that_is_none_is_not_remembered_and_nothing_is_stored(
    fetch: Fetch, site: Site, mark: str
) -> None:
    assert 200 == fetch(f"/api/v1/events?selftest={mark}", body=EVENT).code
    assert {} == report(fetch)["rows"]
    assert [] == site.sink.events


@pytest.mark.parametrize("run", ["", "0", "g" * 32, RUN + "0", "%FF"])
def test_a_run_that_is_none_has_no_report(fetch: Fetch, run: str) -> None:
    assert 400 == fetch(f"/selftest/report?run={run}", "GET").code


def test_the_report_tells_what_the_page_needs(fetch: Fetch) -> None:
    told = report(fetch)
    assert ["/a"] == told["aliases"]
    assert re.fullmatch(r"[0-9a-f]{16}", told["script"]["hash"])
    assert told["script"]["integrity"].startswith("sha384-")


def test_the_page_runs_nothing_but_its_own_script(fetch: Fetch) -> None:
    response = fetch("/selftest", "GET")
    assert "text/html; charset=utf-8" == response.headers["Content-Type"]
    assert "default-src 'none'; script-src 'self';" in response.headers["Content-Security-Policy"]
    assert ["/selftest.js"] == re.findall(r'src="([^"]+)"', response.body.decode())
    assert 200 == fetch("/selftest.js", "GET").code


def test_the_oldest_run_makes_room() -> None:
    log = SelfTestLog()
    runs = [f"{number:032x}" for number in range(65)]
    for run in runs:
        log.add(run, "post", {"status": 200})
    assert {} == log.rows(runs[0])
    assert all(log.rows(run) for run in runs[1:])


def test_a_run_has_so_many_rows_and_no_more() -> None:
    log = SelfTestLog()
    for number in range(100):
        log.add(RUN, f"row-{number}", {"status": 200})
    log.add(RUN, "row-0", {"error": "late"})
    assert 64 == len(log.rows(RUN))
    assert {"status": 200, "error": "late"} == log.rows(RUN)["row-0"]
