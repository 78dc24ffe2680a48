"""Promises of the endpoints for one event and for a batch."""

import json
from typing import Any

import pytest

from tests.handlers.server import BATCH, MAX_BODY_BYTES, ONE, Fetch, Site, failure, payload


def sent(event: Any) -> bytes:
    return json.dumps(event).encode()


async def test_a_success_means_that_the_event_is_durable(fetch: Fetch, site: Site) -> None:
    response = await fetch(ONE, body=sent({"event_id": "e1", "event_type": "click"}))
    assert 200 == response.code
    assert {
        "status": "success",
        "event_id": "e1",
        "message": "Event ingested successfully",
    } == payload(response)
    assert ["e1"] == [event["event_id"] for event in site.sink.events]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (400, "invalid_json")),
        (b"{", (400, "invalid_json")),
        (b"\xff\xfe", (400, "invalid_json")),
        (b'{"event_type": NaN}', (400, "invalid_json")),
        (b"[]", (400, "invalid_event")),
        (b"17", (400, "invalid_event")),
        (b'"text"', (400, "invalid_event")),
        (b"null", (400, "invalid_event")),
        (b"{}", (400, "invalid_event")),
        (b'{"event_type": "x", "a": 1, "a": 2}', (400, "invalid_event")),
        (b'{"event_type": "x", "a": "\\ud800"}', (400, "invalid_event")),
        (b'{"event_type": "x", "a": 18446744073709551616}', (400, "invalid_event")),
        (b'{"event_type": "x", "a": ' + b"[" * 70 + b"]" * 70 + b"}", (400, "invalid_event")),
        (b'{"event_type": "x", "a": "' + b"y" * 2000 + b'"}', (413, "event_too_large")),
        (b"x" * (MAX_BODY_BYTES + 1), (413, "body_too_large")),
    ],
)
async def test_an_invalid_event_gets_its_reason_and_is_not_kept(
    fetch: Fetch, site: Site, body: bytes, expected: tuple[int, str]
) -> None:
    response = await fetch(ONE, body=body, headers={"Origin": "https://shop.example"})
    assert expected == failure(response)
    assert [] == site.sink.events
    assert "https://shop.example" == response.headers["Access-Control-Allow-Origin"]
    assert response.headers["X-Request-Id"] == payload(response)["request_id"]
    assert payload(response)["error"]["message"]


async def test_every_violation_of_an_event_is_reported_with_its_path(fetch: Fetch) -> None:
    error = payload(await fetch(ONE, body=sent({"user_id": 1.5, "timestamp": "yesterday"})))[
        "error"
    ]
    assert {"event_type", "user_id", "timestamp"} == {each["path"] for each in error["details"]}


async def test_an_array_is_pointed_to_the_batch_endpoint(fetch: Fetch) -> None:
    assert BATCH in payload(await fetch(ONE, body=b"[]"))["error"]["message"]


async def test_one_bad_event_does_not_cost_its_neighbours(fetch: Fetch, site: Site) -> None:
    response = await fetch(BATCH, body=sent([{"event_type": "a"}, {}, {"event_type": "b"}]))
    assert 207 == response.code
    assert {
        "status": "completed",
        "total_events": 3,
        "success_count": 2,
        "error_count": 1,
        "duplicate_count": 0,
        "event_ids": ["made-1", None, "made-2"],
        "errors": [
            {
                "index": 1,
                "code": "invalid_event",
                "message": "event_type is required",
                "details": [{"path": "event_type", "message": "is required"}],
            }
        ],
    } == payload(response)
    assert ["a", "b"] == [event["event_type"] for event in site.sink.events]


async def test_a_duplicate_is_a_success_that_says_so(fetch: Fetch, site: Site) -> None:
    first, again = [await fetch(ONE, body=sent({"event_type": "a", "event_id": "e"})) for _ in "12"]
    success = {"status": "success", "event_id": "e", "message": "Event ingested successfully"}
    assert (200, success) == (first.code, payload(first))
    assert (200, {**success, "duplicate": True}) == (again.code, payload(again))
    assert 1 == len(site.sink.events)


async def test_another_event_with_a_known_id_is_told_under_which_id_it_is_kept(
    fetch: Fetch, site: Site
) -> None:
    await fetch(ONE, body=sent({"event_type": "a", "event_id": "e"}))
    one, again = [await fetch(ONE, body=sent({"event_type": "b", "event_id": "e"})) for _ in "12"]
    kept = site.sink.events[1]["event_id"]
    assert str(kept).startswith("e~")
    success = {"status": "success", "event_id": kept, "message": "Event ingested successfully"}
    assert (200, {**success, "conflict": True}) == (one.code, payload(one))
    assert {**success, "duplicate": True, "conflict": True} == payload(again)
    assert ["a", "b"] == [each["event_type"] for each in site.sink.events]


async def test_conflicts_in_a_batch_are_successes_with_their_indexes(
    fetch: Fetch, site: Site
) -> None:
    event = {"event_type": "a", "event_id": "e"}
    batch = [{}, event, {**event, "properties": {"n": 1}}, {**event, "user_id": "u"}]
    found = payload(await fetch(BATCH, body=sent(batch)))
    assert [None, *(each["event_id"] for each in site.sink.events)] == found["event_ids"]
    assert (3, 0, [2, 3]) == (
        found["success_count"],
        found["duplicate_count"],
        found["conflicts"],
    )


async def test_an_event_without_an_id_is_no_duplicate(fetch: Fetch, site: Site) -> None:
    for given in ({}, {}, {"event_id": None}, {"event_id": ""}):
        assert "duplicate" not in payload(await fetch(ONE, body=sent({"event_type": "a", **given})))
    assert 4 == len(site.sink.events)


async def test_duplicates_in_a_batch_are_successes_and_counted(fetch: Fetch, site: Site) -> None:
    await fetch(ONE, body=sent({"event_type": "a", "event_id": "old"}))
    batch = [{"event_type": "b", "event_id": "new"}, {}, {"event_type": "a", "event_id": "old"}]
    found = payload(await fetch(BATCH, body=sent(batch)))
    assert ["new", None, "old"] == found["event_ids"]
    counts = [found[name] for name in ("success_count", "error_count", "duplicate_count")]
    assert [2, 1, 1] == counts
    assert 2 == len(site.sink.events)


async def test_a_batch_of_valid_events_has_no_errors(fetch: Fetch) -> None:
    response = await fetch(BATCH, body=sent([{"event_type": "a"}]))
    assert 200 == response.code
    assert "errors" not in payload(response)


async def test_a_batch_without_a_valid_event_is_a_400(fetch: Fetch) -> None:
    response = await fetch(BATCH, body=sent([{}, 7]))
    assert (400, 0, 2) == (
        response.code,
        payload(response)["success_count"],
        payload(response)["error_count"],
    )


@pytest.mark.parametrize(
    "content_type",
    ["application/x-ndjson", "application/x-ndjson; charset=utf-8", "Application/JSONL"],
)
async def test_ndjson_is_read_line_by_line(fetch: Fetch, site: Site, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    body = b'{"event_type":"a"}\nnonsense\n{"event_type":"b"}\n'
    response = await fetch(BATCH, body=body, headers=headers)
    assert 207 == response.code
    assert [(1, "invalid_json")] == [
        (each["index"], each["code"]) for each in payload(response)["errors"]
    ]
    assert 2 == len(site.sink.events)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", (400, "invalid_batch")),
        (b"[]", (400, "invalid_batch")),
        (b"[{]", (400, "invalid_json")),
        (b"[" + b",".join([b"{}"] * 11) + b"]", (413, "batch_too_large")),
    ],
)
async def test_a_body_that_is_no_batch_has_one_error(
    fetch: Fetch, body: bytes, expected: tuple[int, str]
) -> None:
    assert expected == failure(await fetch(BATCH, body=body))


async def test_one_event_that_is_not_json_does_not_cost_its_neighbours(
    fetch: Fetch, site: Site
) -> None:
    body = b'[{"event_type":"a"},{"event_type":"caf\xe9"},{"event_type":NaN},{"event_type":"b"}]'
    response = await fetch(BATCH, body=body)
    assert 207 == response.code
    assert [(1, "invalid_json"), (2, "invalid_json")] == [
        (each["index"], each["code"]) for each in payload(response)["errors"]
    ]
    assert ["a", "b"] == [event["event_type"] for event in site.sink.events]


async def test_lines_are_read_as_lines_whatever_their_content_type(
    fetch: Fetch, site: Site
) -> None:
    headers = {"Content-Type": "application/json"}
    body = b'{"event_type":"a"}\n{"event_type":"b"}\n'
    assert 200 == (await fetch(BATCH, body=body, headers=headers)).code
    assert ["a", "b"] == [event["event_type"] for event in site.sink.events]
