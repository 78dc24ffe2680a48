"""Promises of the self-test and its report."""

import gzip
import json
import re
import time
from typing import Any

import pytest

from handlers.pixel import GIF
from storage.refusals import JournalFull
from tests.handlers.server import Fetch, Site, failure, make_site, payload

UNKNOWN = "0123456789abcdef" * 2
LISTED = "https://shop.example.com"
EVENT = b'{"event_type": "selftest"}'


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def site(clock: list[float]) -> Site:
    return make_site(
        origins=[LISTED], trusted=["127.0.0.1/32"], aliases=["/a"], monotonic=lambda: clock[0]
    )


async def begin(fetch: Fetch) -> str:
    run: str = payload(await fetch("/selftest/runs", body=b""))["run"]
    return run


@pytest.fixture
def run(io_loop: Any, http_server: Any, fetch: Fetch) -> str:
    """The id of a run that the server gave out."""
    found: str = io_loop.run_sync(lambda: begin(fetch))
    return found


def marked(run: str, path: str, row: str, sent_ms: float | None = None) -> str:
    sent = time.time() * 1000 if sent_ms is None else sent_ms
    return f"{path}?selftest={run}.{row}.{sent:.0f}"


async def report(fetch: Fetch, run: str) -> Any:
    return payload(await fetch(f"/selftest/report?run={run}", "GET"))["rows"]


async def test_an_event_of_a_self_test_is_validated_and_discarded(
    fetch: Fetch, run: str, site: Site
) -> None:
    headers = {"Origin": LISTED, "Content-Type": "text/plain", "Authorization": "Bearer secret"}
    response = await fetch(marked(run, "/api/v1/events", "post"), body=EVENT, headers=headers)
    assert 200 == response.code
    assert "self-test: validated, then discarded" == json.loads(response.body)["message"]
    assert "discarded" == response.headers["X-Self-Test"]
    assert [] == site.sink.events
    assert 0 == site.sink.counters.arrived
    seen = (await report(fetch, run))["post"]
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


async def test_the_report_has_no_secrets(fetch: Fetch, run: str) -> None:
    headers = {"Authorization": "Bearer secret", "Cookie": "session=secret"}
    await fetch(marked(run, "/api/v1/events", "post"), body=EVENT, headers=headers)
    assert "secret" not in json.dumps(await report(fetch, run))


@pytest.mark.parametrize("path", ["/api/v1/events/batch", "/a/b"])
async def test_a_batch_is_reported_too(fetch: Fetch, run: str, site: Site, path: str) -> None:
    body = gzip.compress(b"[" + EVENT + b"]")
    response = await fetch(
        marked(run, path, "gzip"), body=body, headers={"Content-Encoding": "gzip"}
    )
    assert (200, "self-test: validated, then discarded") == (
        response.code,
        json.loads(response.body)["message"],
    )
    seen = (await report(fetch, run))["gzip"]
    assert (path, "gzip", len(body)) == (seen["path"], seen["content_encoding"], seen["bytes"])
    assert [] == site.sink.events


async def test_a_report_has_at_most_300_characters_of_each_text(fetch: Fetch, run: str) -> None:
    long = "x" * 3_000
    headers = {"X-Forwarded-For": long, "Content-Type": long}
    path = f"{'/' * 20_000}api/v1/events"
    await fetch(marked(run, path, "post"), body=EVENT, headers={"Origin": LISTED, **headers})
    seen = (await report(fetch, run))["post"]
    assert ["/" * 300, "x" * 300] == [seen["path"], seen["content_type"]]
    assert {} == {name: each for name, each in seen.items() if len(str(each)) > 300}


async def test_the_pixel_is_reported_too(fetch: Fetch, run: str, site: Site) -> None:
    response = await fetch(
        f"{marked(run, '/api/v1/pixel.gif', 'pixel')}&event_type=selftest", "GET"
    )
    assert (200, GIF) == (response.code, response.body)
    assert "discarded" == response.headers["X-Self-Test"]
    assert 200 == (await report(fetch, run))["pixel"]["status"]
    assert [] == site.sink.events


async def test_a_preflight_is_reported_with_the_headers_it_requested(
    fetch: Fetch, run: str
) -> None:
    url = marked(run, "/api/v1/events", "authorized")
    asked = {"Origin": LISTED, "Access-Control-Request-Headers": "authorization"}
    await fetch(url, "OPTIONS", headers=asked)
    expected = {"status": 204, "headers": "authorization", "origin_allowed": True}
    assert {"preflight": expected} == (await report(fetch, run))["authorized"]
    await fetch(url, body=EVENT, headers={"Origin": LISTED})
    seen = (await report(fetch, run))["authorized"]
    assert (204, 200) == (seen["preflight"]["status"], seen["status"])


async def test_a_refused_origin_may_read_the_reason(fetch: Fetch, run: str) -> None:
    origin = {"Origin": "https://other.example"}
    assert (
        403 == (await fetch(marked(run, "/api/v1/events", "post"), body=EVENT, headers=origin)).code
    )
    response = await fetch(f"/selftest/report?run={run}", "GET", headers=origin)
    assert "*" == response.headers["Access-Control-Allow-Origin"]
    seen = json.loads(response.body)["rows"]["post"]
    assert (403, False) == (seen["status"], seen["origin_allowed"])
    assert seen["error"].startswith("origin_not_allowed")


async def test_the_address_and_its_peer_are_reported(fetch: Fetch, run: str) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9"}
    await fetch(marked(run, "/api/v1/events", "post"), body=EVENT, headers=headers)
    seen = (await report(fetch, run))["post"]
    assert ("203.0.113.9", "127.0.0.1", True, "203.0.113.9") == tuple(
        seen[name] for name in ("address", "peer", "peer_trusted", "forwarded_for")
    )


async def test_the_difference_of_the_clocks_is_in_milliseconds(fetch: Fetch, run: str) -> None:
    before = time.time()
    await fetch(marked(run, "/api/v1/events", "post", sent_ms=0), body=EVENT)
    after = time.time()
    skew_ms = (await report(fetch, run))["post"]["skew_ms"]
    assert round(before * 1000) <= skew_ms <= round(after * 1000)


async def test_a_refusal_of_the_journal_is_reported(fetch: Fetch, run: str, site: Site) -> None:
    site.sink.refused = JournalFull("the journal is full", 7)
    assert 503 == (await fetch(marked(run, "/api/v1/events", "post"), body=EVENT)).code
    assert (await report(fetch, run))["post"]["error"].startswith("journal_full")
    assert 0 == site.sink.counters.refused


@pytest.mark.parametrize(
    "mark", ["", "x", "{run}.post", "{run}.POST.1", "{run}.post.x", "%FF", f"{UNKNOWN}.post.1"]
)
async def test_a_request_without_the_mark_of_a_self_test_is_a_real_one(
    fetch: Fetch, run: str, site: Site, mark: str
) -> None:
    query = f"selftest={mark.format(run=run)}"
    assert 200 == (await fetch(f"/api/v1/events?{query}", body=EVENT)).code
    assert {} == await report(fetch, run)
    assert (1, 1) == (len(site.sink.events), site.sink.counters.durable)


@pytest.mark.parametrize("query", ["p.selftest=1", "selftest=1", "p.selftest={run}.image.1"])
async def test_an_event_with_a_field_of_that_name_is_a_real_one(
    fetch: Fetch, run: str, site: Site, query: str
) -> None:
    url = f"/api/v1/pixel.gif?event_type=buy&{query.format(run=run)}"
    assert 200 == (await fetch(url, "GET")).code
    assert ["buy"] == [each["event_type"] for each in site.sink.events]
    assert 1 == site.sink.counters.durable


@pytest.mark.parametrize(
    ("path", "body"),
    [("/api/v1/events", EVENT), ("/api/v1/events/batch", b"[" + EVENT + b"]"), ("/a/e", EVENT)],
)
async def test_no_client_can_make_a_request_a_self_test_by_itself(
    fetch: Fetch, site: Site, path: str, body: bytes
) -> None:
    response = await fetch(marked(UNKNOWN, path, "post"), body=body)
    assert "X-Self-Test" not in response.headers
    assert ["selftest"] == [each["event_type"] for each in site.sink.events]
    assert (1, 1) == (site.sink.counters.arrived, site.sink.counters.durable)


async def test_a_pixel_with_the_mark_of_an_unknown_run_is_kept(fetch: Fetch, site: Site) -> None:
    url = f"{marked(UNKNOWN, '/api/v1/pixel.gif', 'pixel')}&event_type=buy"
    assert 200 == (await fetch(url, "GET")).code
    assert ["buy"] == [each["event_type"] for each in site.sink.events]


async def test_an_event_of_a_forgotten_run_is_kept_and_the_report_says_so(
    fetch: Fetch, run: str, site: Site, clock: list[float]
) -> None:
    clock[0] += 600
    assert 200 == (await fetch(marked(run, "/api/v1/events", "post"), body=EVENT)).code
    assert 1 == len(site.sink.events)
    response = await fetch(f"/selftest/report?run={run}", "GET", headers={"Origin": LISTED})
    assert (404, "not_found") == failure(response)
    assert "*" == response.headers["Access-Control-Allow-Origin"]
    message = payload(response)["error"]["message"]
    assert "run the self-test again" in message
    assert "were kept" in message


async def test_65_newer_runs_end_a_run(fetch: Fetch, run: str) -> None:
    for _ in range(65):
        await begin(fetch)
    assert (404, "not_found") == failure(await fetch(f"/selftest/report?run={run}", "GET"))


@pytest.mark.parametrize("text", ["", "0", "g" * 32, UNKNOWN + "0", "%FF"])
async def test_an_invalid_run_is_a_400(fetch: Fetch, text: str) -> None:
    assert 400 == (await fetch(f"/selftest/report?run={text}", "GET")).code


async def test_every_page_may_begin_a_run_and_no_cache_keeps_it(fetch: Fetch) -> None:
    response = await fetch("/selftest/runs", body=b"", headers={"Origin": "https://other.example"})
    assert 200 == response.code
    assert "no-store" == response.headers["Cache-Control"]
    assert "*" == response.headers["Access-Control-Allow-Origin"]
    assert "Access-Control-Allow-Credentials" not in response.headers
    found = payload(response)
    assert re.fullmatch(r"[0-9a-f]{32}", found["run"])
    assert ["/a"] == found["aliases"]
    assert re.fullmatch(r"[0-9a-f]{16}", found["script"]["hash"])
    assert found["script"]["integrity"].startswith("sha384-")


async def test_a_run_is_begun_by_post_alone(fetch: Fetch) -> None:
    response = await fetch("/selftest/runs", "GET")
    assert (405, "POST") == (response.code, response.headers["Allow"])


async def test_the_page_runs_nothing_but_its_own_script(fetch: Fetch) -> None:
    response = await fetch("/selftest", "GET")
    assert "text/html; charset=utf-8" == response.headers["Content-Type"]
    assert "default-src 'none'; script-src 'self';" in response.headers["Content-Security-Policy"]
    assert ["/selftest.js"] == re.findall(r'src="([^"]+)"', response.body.decode())
    assert 200 == (await fetch("/selftest.js", "GET")).code
