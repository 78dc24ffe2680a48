"""Every event that came in is counted, under exactly one heading."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from storage.refusals import JournalUnavailable, Unconfirmed
from tests.handlers.server import MAX_BODY_BYTES, Site

Fetch = Callable[..., HTTPResponse]

ONE, BATCH = "/api/v1/events", "/api/v1/events/batch"
GOOD: dict[str, Any] = {"event_type": "c"}
BAD: dict[str, Any] = {"event_type": ""}


def counts(site: Site) -> dict[str, int]:
    """The headings that are not empty; together they are what was received."""
    counters = site.sink.counters
    report = counters.report(pending=0)
    assert report.pop("in_flight") == 0
    assert report.pop("received") == counters.arrived
    return {heading: count for heading, count in report.items() if count}


def send(fetch: Fetch, path: str, body: Any) -> int:
    text = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return fetch(path, body=text).code


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (ONE, GOOD, {"durable": 1}),
        (ONE, BAD, {"rejected": 1}),
        (ONE, "{", {"rejected": 1}),
        (ONE, [GOOD, GOOD], {"rejected": 1}),
        (ONE, "x" * (MAX_BODY_BYTES + 1), {"rejected": 1}),
        (BATCH, [GOOD, BAD, GOOD], {"durable": 2, "rejected": 1}),
        (BATCH, [BAD, BAD], {"rejected": 2}),
        (BATCH, [], {"rejected": 1}),
        (BATCH, "{}", {"rejected": 1}),
        (BATCH, [GOOD] * 11, {"rejected": 1}),
    ],
)
def test_each_event_has_one_heading(
    fetch: Fetch, site: Site, path: str, body: Any, expected: dict[str, int]
) -> None:
    send(fetch, path, body)
    assert expected == counts(site)


def test_duplicates_have_a_heading_of_their_own(fetch: Fetch, site: Site) -> None:
    for _ in range(2):
        send(fetch, BATCH, [{"event_id": "a", **GOOD}, {"event_id": "b", **GOOD}])
    assert {"durable": 2, "duplicate": 2} == counts(site)


def test_a_refused_request_is_refused_with_all_its_events(fetch: Fetch, site: Site) -> None:
    site.sink.refused = JournalUnavailable("the disk is gone", 5)
    assert 503 == send(fetch, ONE, GOOD)
    assert 503 == send(fetch, BATCH, [GOOD, BAD, GOOD])
    assert {"refused": 4} == counts(site)


def test_what_is_invalid_is_rejected_even_when_nothing_is_taken(fetch: Fetch, site: Site) -> None:
    site.sink.refused = JournalUnavailable("the disk is gone", 5)
    assert 400 == send(fetch, ONE, BAD)
    assert 400 == send(fetch, BATCH, [BAD, BAD])
    assert {"rejected": 3} == counts(site)


def test_events_that_may_be_delivered_are_for_the_journal_to_count(
    fetch: Fetch, site: Site
) -> None:
    site.sink.refused_late = Unconfirmed("the store is gone", 5)
    assert 503 == send(fetch, BATCH, [GOOD, BAD, GOOD])
    site.sink.counters.durable += 2
    assert {"durable": 2, "refused": 1} == counts(site)


@pytest.mark.parametrize(
    "request_head",
    [
        {"headers": {"Content-Type": "multipart/form-data"}},
        {"headers": {"Content-Encoding": "br"}},
    ],
)
def test_a_body_that_is_not_read_counts_as_one(
    fetch: Fetch, site: Site, request_head: dict[str, Any]
) -> None:
    fetch(ONE, body="{}", **request_head)
    assert {"rejected": 1} == counts(site)


def test_what_is_no_event_is_not_counted(fetch: Fetch, site: Site) -> None:
    fetch(ONE, method="GET")
    fetch(ONE, method="OPTIONS", headers={"Origin": "https://a.example"})
    fetch("/api/v1/nothing", body="{}")
    assert {} == counts(site)


def test_a_body_that_never_came_whole_is_no_event(
    site: Site, http_server: Any, http_port: int, io_loop: Any, fetch: Fetch
) -> None:
    async def leave() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", http_port)
        writer.write(b"POST /api/v1/events HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()
        writer.close()

    io_loop.run_sync(leave)
    send(fetch, ONE, GOOD)
    assert {"durable": 1} == counts(site)
