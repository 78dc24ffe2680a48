import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from storage.refusals import JournalBusy, JournalClosed, JournalFull, JournalUnavailable, Refusal
from tests.handlers.server import MAX_BODY_BYTES, NOW_TEXT, Site

Fetch = Callable[..., HTTPResponse]

ONE = "/api/v1/events"
BATCH = "/api/v1/events/batch"


def sent(event: Any) -> bytes:
    return json.dumps(event).encode()


def answer(response: HTTPResponse) -> Any:
    return json.loads(response.body)


def code(response: HTTPResponse) -> tuple[int, str]:
    return response.code, answer(response)["error"]["code"]


def test_an_event_is_stored_before_its_success_is_told(fetch: Fetch, site: Site) -> None:
    response = fetch(ONE, body=sent({"event_id": "e1", "event_type": "click"}))
    assert 200 == response.code
    assert {
        "status": "success",
        "event_id": "e1",
        "message": "Event ingested successfully",
    } == answer(response)
    assert ["e1"] == [event["event_id"] for event in site.sink.events]


def test_the_server_adds_what_only_it_knows(fetch: Fetch, site: Site) -> None:
    body = sent({"event_type": "click", "ip_address": "6.6.6.6", "received_at": "never"})
    response = fetch(ONE, body=body, headers={"User-Agent": "agent/1"})
    assert [
        {
            "event_id": "made-1",
            "event_type": "click",
            "timestamp": NOW_TEXT,
            "received_at": NOW_TEXT,
            "ip_address": "127.0.0.1",
            "user_agent": "agent/1",
        }
    ] == site.sink.events
    assert "made-1" == answer(response)["event_id"]


def test_a_user_agent_in_utf_8_is_stored_as_it_was_meant(fetch: Fetch, site: Site) -> None:
    fetch(
        ONE,
        body=sent({"event_type": "c"}),
        headers={"User-Agent": "Büro".encode().decode("latin-1")},
    )
    assert "Büro" == site.sink.events[0]["user_agent"]


def test_an_endless_user_agent_is_cut(fetch: Fetch, site: Site) -> None:
    fetch(ONE, body=sent({"event_type": "c"}), headers={"User-Agent": "a" * 5000})
    assert "a" * 1024 == site.sink.events[0]["user_agent"]


def test_bodies_beyond_what_memory_has_room_for_are_refused(fetch: Fetch, site: Site) -> None:
    room = site.budget.left
    assert site.budget.reserve(room)
    response = fetch(ONE, body=sent({"event_type": "c"}))
    assert (503, "server_busy") == code(response)
    assert "1" == response.headers["Retry-After"]
    site.budget.release(room)
    assert 200 == fetch(ONE, body=sent({"event_type": "c"})).code
    assert room == site.budget.left


@pytest.mark.parametrize("path", [ONE + "/", BATCH + "/", "/health/", "/ready/"])
def test_a_slash_at_the_end_makes_no_difference(fetch: Fetch, path: str) -> None:
    assert 404 != fetch(path, "GET").code


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "nonsense",
        "",
    ],
)
def test_any_content_type_is_read_as_json(fetch: Fetch, site: Site, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    assert 200 == fetch(ONE, body=sent({"event_type": "c"}), headers=headers).code
    assert 1 == len(site.sink.events)


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
def test_a_bad_event_is_answered_with_its_reason_and_not_stored(
    fetch: Fetch, site: Site, body: bytes, expected: tuple[int, str]
) -> None:
    response = fetch(ONE, body=body, headers={"Origin": "https://shop.example"})
    assert expected == code(response)
    assert [] == site.sink.events
    assert "https://shop.example" == response.headers["Access-Control-Allow-Origin"]
    assert response.headers["X-Request-Id"] == answer(response)["request_id"]
    assert answer(response)["error"]["message"]


def test_every_problem_of_an_event_is_told_with_its_path(fetch: Fetch) -> None:
    error = answer(fetch(ONE, body=sent({"user_id": 1.5, "timestamp": "yesterday"})))["error"]
    assert {"event_type", "user_id", "timestamp"} == {each["path"] for each in error["details"]}


def test_an_array_is_pointed_to_the_batch_endpoint(fetch: Fetch) -> None:
    assert BATCH in answer(fetch(ONE, body=b"[]"))["error"]["message"]


def test_one_bad_event_does_not_cost_its_neighbours(fetch: Fetch, site: Site) -> None:
    response = fetch(BATCH, body=sent([{"event_type": "a"}, {}, {"event_type": "b"}]))
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
    } == answer(response)
    assert ["a", "b"] == [event["event_type"] for event in site.sink.events]


def test_an_event_that_is_stored_already_is_a_success_that_says_so(
    fetch: Fetch, site: Site
) -> None:
    first, again = (fetch(ONE, body=sent({"event_type": "a", "event_id": "e"})) for _ in "12")
    told = {"status": "success", "event_id": "e", "message": "Event ingested successfully"}
    assert (200, told) == (first.code, answer(first))
    assert (200, {**told, "duplicate": True}) == (again.code, answer(again))
    assert 1 == len(site.sink.events)


def test_an_event_without_an_id_is_no_duplicate(fetch: Fetch, site: Site) -> None:
    for given in ({}, {}, {"event_id": None}, {"event_id": ""}):
        assert "duplicate" not in answer(fetch(ONE, body=sent({"event_type": "a", **given})))
    assert 4 == len(site.sink.events)


def test_duplicates_in_a_batch_are_successes_and_counted(fetch: Fetch, site: Site) -> None:
    fetch(ONE, body=sent({"event_type": "a", "event_id": "old"}))
    batch = [{"event_type": "b", "event_id": "new"}, {}, {"event_type": "a", "event_id": "old"}]
    found = answer(fetch(BATCH, body=sent(batch)))
    assert ["new", None, "old"] == found["event_ids"]
    counts = [found[name] for name in ("success_count", "error_count", "duplicate_count")]
    assert [2, 1, 1] == counts
    assert 2 == len(site.sink.events)


def test_a_batch_that_is_stored_whole_has_no_errors(fetch: Fetch) -> None:
    response = fetch(BATCH, body=sent([{"event_type": "a"}]))
    assert 200 == response.code
    assert "errors" not in answer(response)


def test_a_batch_of_which_nothing_is_stored_is_a_400(fetch: Fetch) -> None:
    response = fetch(BATCH, body=sent([{}, 7]))
    assert (400, 0, 2) == (
        response.code,
        answer(response)["success_count"],
        answer(response)["error_count"],
    )


@pytest.mark.parametrize(
    "content_type",
    ["application/x-ndjson", "application/x-ndjson; charset=utf-8", "Application/JSONL"],
)
def test_ndjson_is_read_line_by_line(fetch: Fetch, site: Site, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    body = b'{"event_type":"a"}\nnonsense\n{"event_type":"b"}\n'
    response = fetch(BATCH, body=body, headers=headers)
    assert 207 == response.code
    assert [(1, "invalid_json")] == [
        (each["index"], each["code"]) for each in answer(response)["errors"]
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
def test_a_body_that_is_no_batch_is_refused_whole(
    fetch: Fetch, body: bytes, expected: tuple[int, str]
) -> None:
    assert expected == code(fetch(BATCH, body=body))


def test_gzip_is_unpacked(fetch: Fetch, site: Site) -> None:
    headers = {"Content-Encoding": "gzip"}
    assert 200 == fetch(ONE, body=gzip.compress(sent({"event_type": "z"})), headers=headers).code
    assert "z" == site.sink.events[0]["event_type"]


@pytest.mark.parametrize(
    ("encoding", "body", "expected"),
    [
        ("br", b"{}", (415, "unsupported_encoding")),
        ("gzip, gzip", b"{}", (415, "unsupported_encoding")),
        ("gzip", b"{}", (400, "invalid_encoding")),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-4], (400, "invalid_encoding")),
        ("gzip", gzip.compress(b" " * (MAX_BODY_BYTES + 1), mtime=0), (413, "body_too_large")),
        ("gzip", b"", (400, "invalid_encoding")),
    ],
)
def test_an_encoding_that_cannot_be_unpacked_is_told(
    fetch: Fetch, encoding: str, body: bytes, expected: tuple[int, str]
) -> None:
    assert expected == code(fetch(ONE, body=body, headers={"Content-Encoding": encoding}))


def test_a_multipart_body_is_refused(fetch: Fetch) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert (415, "unsupported_media_type") == code(fetch(ONE, body=b"--x--", headers=headers))


@pytest.mark.parametrize(
    "refusal",
    [JournalFull, JournalBusy, JournalUnavailable, JournalClosed],
    ids=lambda each: each.code,
)
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("path", "body"), [(ONE, {"event_type": "c"}), (BATCH, [{"event_type": "c"}])]
)
def test_what_the_journal_refuses_is_a_503_that_says_when_to_try_again(
    fetch: Fetch, site: Site, refusal: type[Refusal], late: bool, path: str, body: object
) -> None:
    if late:
        site.sink.refused_late = refusal("no room", 17)
    else:
        site.sink.refused = refusal("no room", 17)
    response = fetch(path, body=sent(body), headers={"Origin": "https://shop.example"})
    assert (503, refusal.code) == code(response)
    assert "17" == response.headers["Retry-After"]
    assert "https://shop.example" == response.headers["Access-Control-Allow-Origin"]
    assert [] == site.sink.events


def test_a_defect_is_a_500_with_a_fixed_text(
    fetch: Fetch, site: Site, monkeypatch: pytest.MonkeyPatch, expected_errors: list[str]
) -> None:
    expected_errors.append("request failed")

    def fail(_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(site.sink, "append", fail)
    response = fetch(
        ONE, body=sent({"event_type": "c"}), headers={"Origin": "https://shop.example"}
    )
    assert (500, "internal_error") == code(response)
    assert b"secret" not in response.body
    assert "https://shop.example" == response.headers["Access-Control-Allow-Origin"]
