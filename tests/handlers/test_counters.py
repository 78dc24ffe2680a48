"""Every received event is counted, under exactly one heading."""

import asyncio
import json
from typing import Any

import pytest

from storage.refusals import JournalUnavailable, Unconfirmed
from tests.handlers.server import BATCH, MAX_BODY_BYTES, ONE, Fetch, Site

GOOD: dict[str, Any] = {"event_type": "c"}
BAD: dict[str, Any] = {"event_type": ""}


def counts(site: Site) -> dict[str, int]:
    """Return the counters that are not 0; together they are `received`."""
    counters = site.sink.counters
    report = counters.report(pending=0)
    assert report.pop("in_flight") == 0
    assert report.pop("received") == counters.arrived
    return {heading: count for heading, count in report.items() if count}


async def send(fetch: Fetch, path: str, body: Any) -> int:
    text = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return (await fetch(path, body=text)).code


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
async def test_each_event_has_one_heading(
    fetch: Fetch, site: Site, path: str, body: Any, expected: dict[str, int]
) -> None:
    await send(fetch, path, body)
    assert expected == counts(site)


async def test_duplicates_have_a_heading_of_their_own(fetch: Fetch, site: Site) -> None:
    for _ in range(2):
        await send(fetch, BATCH, [{"event_id": "a", **GOOD}, {"event_id": "b", **GOOD}])
    assert {"durable": 2, "duplicate": 2} == counts(site)


async def test_a_conflict_is_durable_and_counted_once_more_as_a_conflict(
    fetch: Fetch, site: Site
) -> None:
    for event_type in ("a", "b", "b"):
        await send(fetch, ONE, {"event_id": "a", "event_type": event_type})
    assert {"durable": 2, "conflict": 1, "duplicate": 1} == counts(site)


async def test_a_refused_request_is_refused_with_all_its_events(fetch: Fetch, site: Site) -> None:
    site.sink.refused = JournalUnavailable("the disk is gone", 5)
    assert 503 == await send(fetch, ONE, GOOD)
    assert 503 == await send(fetch, BATCH, [GOOD, BAD, GOOD])
    assert {"refused": 4} == counts(site)


async def test_an_invalid_event_is_rejected_even_when_all_are_refused(
    fetch: Fetch, site: Site
) -> None:
    site.sink.refused = JournalUnavailable("the disk is gone", 5)
    assert 400 == await send(fetch, ONE, BAD)
    assert 400 == await send(fetch, BATCH, [BAD, BAD])
    assert {"rejected": 3} == counts(site)


async def test_refused_events_that_may_be_delivered_are_counted_by_the_journal(
    fetch: Fetch, site: Site
) -> None:
    site.sink.refused_late = Unconfirmed("the store is gone", 5)
    assert 503 == await send(fetch, BATCH, [GOOD, BAD, GOOD])
    site.sink.counters.durable += 2
    assert {"durable": 2, "refused": 1} == counts(site)


@pytest.mark.parametrize(
    "request_head",
    [
        {"headers": {"Content-Type": "multipart/form-data"}},
        {"headers": {"Content-Encoding": "br"}},
    ],
)
async def test_an_unacceptable_body_counts_as_one_rejected_event(
    fetch: Fetch, site: Site, request_head: dict[str, Any]
) -> None:
    await fetch(ONE, body="{}", **request_head)
    assert {"rejected": 1} == counts(site)


async def test_requests_without_events_are_not_counted(fetch: Fetch, site: Site) -> None:
    await fetch(ONE, method="GET")
    await fetch(ONE, method="OPTIONS", headers={"Origin": "https://a.example"})
    await fetch("/api/v1/nothing", body="{}")
    assert {} == counts(site)


async def test_an_incomplete_body_is_not_counted(
    site: Site, http_server: Any, http_port: int, fetch: Fetch
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", http_port)
    writer.write(b"POST /api/v1/events HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()
    await send(fetch, ONE, GOOD)
    assert {"durable": 1} == counts(site)
