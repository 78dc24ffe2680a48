"""The core of ingestion, called without a server: replies, counters and log fields."""

import asyncio
import gzip

import pytest

from handlers.errors import ApiError
from handlers.head import Facts
from handlers.ingestion import Ingestion, in_turns
from handlers.reply import Reply
from storage.refusals import JournalFull
from tests.handlers.server import EVENT, ONE, Site
from validation.turns import Turns


def ingestion(site: Site, **facts: str) -> Ingestion:
    return Ingestion(site.pipeline, Facts("POST", ONE, "10.0.0.9", **facts), "192.0.2.1")


async def test_one_event_becomes_a_reply_and_a_log_line(site: Site) -> None:
    reply = await ingestion(site).one_event(EVENT)
    body: dict[str, object] = {
        "status": "success",
        "event_id": "made-1",
        "message": "Event ingested successfully",
    }
    assert Reply(200, body, {"durable": 1, "event_id": "made-1"}) == reply


async def test_an_event_has_the_facts_of_its_request(site: Site) -> None:
    await ingestion(site, user_agent="agent/1").one_event(EVENT)
    (event,) = site.sink.events
    assert ("192.0.2.1", "agent/1") == (event["ip_address"], event["user_agent"])


async def test_a_batch_has_the_outcome_of_each_event(site: Site) -> None:
    reply = await ingestion(site).batch(b"[%b,{}]" % EVENT)
    assert (207, ["made-1", None]) == (reply.status, reply.body["event_ids"])
    assert {"durable": 1, "rejected": 1} == {
        name: count for name, count in reply.log_fields.items() if name != "first_rejection"
    }


async def test_lines_are_read_by_their_content_type(site: Site) -> None:
    of_lines = ingestion(site, content_type="application/x-ndjson; charset=utf-8")
    assert 200 == (await of_lines.batch(EVENT + b"\n" + EVENT)).status


async def test_a_body_is_decompressed(site: Site) -> None:
    packed = ingestion(site, content_encoding="gzip")
    assert 200 == (await packed.one_event(gzip.compress(EVENT))).status


@pytest.mark.parametrize(
    ("code", "expected"), [("bad_request", (1, 0)), ("internal_error", (0, 1))]
)
async def test_an_unread_body_counts_as_one_event(
    site: Site, code: str, expected: tuple[int, int]
) -> None:
    ingestion(site).count_failed(ApiError(code, ""))
    counters = site.sink.counters
    assert (1, *expected) == (counters.arrived, counters.rejected, counters.refused)


async def test_a_refusal_is_an_error_that_counts_all_events(site: Site) -> None:
    site.sink.refused = JournalFull("the journal is full", 7)
    refused = ingestion(site)
    with pytest.raises(ApiError) as raised:
        await refused.batch(b"[%b,%b]" % (EVENT, EVENT))
    refused.count_failed(raised.value)
    assert ("journal_full", 7) == (raised.value.kind.code, raised.value.retry_after_s)
    assert 2 == site.sink.counters.refused


async def test_other_requests_run_between_the_turns_of_one() -> None:
    steps: list[str] = []

    def count(name: str) -> Turns[str]:
        for _ in range(3):
            steps.append(name)
            yield
        return name

    assert ["a", "b"] == list(await asyncio.gather(in_turns(count("a")), in_turns(count("b"))))
    assert ["a", "b"] * 3 == steps
