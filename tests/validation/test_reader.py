import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.validation.test_strict_json import texts, values
from validation.fields import FIELDS
from validation.outcomes import Accepted, Rejected, RequestInfo
from validation.reader import BodyError, EventReader

NOW = 1_795_455_000.0
RECEIPT = RequestInfo("2026-11-23T17:30:00.000Z", "192.0.2.7", "agent/1")
MAX_EVENT_BYTES = 1000
MAX_BATCH_EVENTS = 5

FROM_THE_SERVER = {"received_at": RECEIPT.received_at, "user_agent": "agent/1"} | {
    "ip_address": "192.0.2.7"
}
# Fields that have a meaning of their own: a client may not put just any value into them.
RULED = {each.name for each in FIELDS}


def make_reader(max_event_bytes: int = MAX_EVENT_BYTES) -> EventReader:
    return EventReader(max_event_bytes, MAX_BATCH_EVENTS, lambda: "made", lambda: NOW)


reader = make_reader()


def stored(body: bytes) -> dict[str, Any]:
    outcome = reader.single(body, RECEIPT)
    assert isinstance(outcome, Accepted), outcome
    event: dict[str, Any] = json.loads(outcome.line)
    assert event["event_id"] == outcome.event_id
    return event


def refused(body: bytes) -> Rejected:
    outcome = reader.single(body, RECEIPT)
    assert isinstance(outcome, Rejected)
    return outcome


def test_the_stored_form_has_a_fixed_order() -> None:
    sent = {
        "own": 1,
        "properties": {"b": 1, "a": 2},
        "session_id": "s",
        "user_id": "u",
        "timestamp": "2026-11-23T18:00:00+01:00",
        "event_type": "click",
        "event_id": "e",
    }
    assert [
        ("event_id", "e"),
        ("event_type", "click"),
        ("timestamp", "2026-11-23T17:00:00.000Z"),
        ("received_at", "2026-11-23T17:30:00.000Z"),
        ("user_id", "u"),
        ("session_id", "s"),
        ("properties", {"b": 1, "a": 2}),
        ("own", 1),
        ("user_agent", "agent/1"),
        ("ip_address", "192.0.2.7"),
    ] == list(stored(json.dumps(sent).encode()).items())
    assert ["b", "a"] == list(stored(json.dumps(sent).encode())["properties"])


def test_what_only_the_server_knows_is_not_taken_from_the_client() -> None:
    sent = {"event_type": "c", "received_at": 1, "user_agent": {}, "ip_address": "6.6.6.6"}
    assert {
        "event_id": "made",
        "event_type": "c",
        "timestamp": RECEIPT.received_at,
        **FROM_THE_SERVER,
    } == stored(json.dumps(sent).encode())


def test_what_the_server_does_not_know_is_absent() -> None:
    outcome = reader.single(b'{"event_type":"c"}', RequestInfo(RECEIPT.received_at, None, ""))
    assert isinstance(outcome, Accepted)
    assert {"user_agent", "ip_address"}.isdisjoint(json.loads(outcome.line))


def test_what_is_absent_is_not_stored() -> None:
    sent = {"event_type": "c", "user_id": None, "session_id": "", "properties": None}
    assert {"user_id", "session_id", "properties"}.isdisjoint(stored(json.dumps(sent).encode()))


@given(
    st.dictionaries(texts.filter(lambda key: key not in RULED), values),
    st.dictionaries(texts, values),
    st.booleans(),
)
def test_nothing_that_was_sent_is_lost(
    own: dict[str, Any], properties: dict[str, Any], compact: bool
) -> None:
    sent = {"event_type": "c", "properties": properties, **own}
    body = orjson.dumps(sent) if compact else json.dumps(sent).encode()
    outcome = make_reader(10**6).single(body, RECEIPT)
    assert isinstance(outcome, Accepted)
    event = json.loads(outcome.line)
    assert {"event_type": "c", **own} == {key: event[key] for key in ("event_type", *own)}
    assert properties == event["properties"]
    assert b"\n" not in outcome.line


@given(st.binary(max_size=60) | values.map(orjson.dumps))
def test_no_body_is_more_than_it_can_bear(body: bytes) -> None:
    assert isinstance(reader.single(body, RECEIPT), Accepted | Rejected)
    for read in (reader.batch, reader.ndjson):
        try:
            read(body, RECEIPT)
        except BodyError as error:
            assert error.code in {"invalid_json", "invalid_batch", "batch_too_large"}


def test_an_event_may_be_as_large_as_its_limit() -> None:
    empty = len(orjson.dumps(stored(b'{"event_type":"c","x":""}')))
    fits = b'{"event_type":"c","x":"%s"}' % (b"y" * (MAX_EVENT_BYTES - empty))
    assert MAX_EVENT_BYTES == len(orjson.dumps(stored(fits)))
    outcome = refused(fits[:-2] + b'y"}')
    assert "event_too_large" == outcome.code
    assert outcome.message == "an event may have at most 1000 bytes, this has 1001"


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"{", "invalid_json", "not JSON at line 1"),
        (b"[]", "invalid_event", "the event must be an object, not an array: send several"),
        (b"7", "invalid_event", "the event must be an object, not a number"),
        (b"null", "invalid_event", "the event must be an object, not null"),
        (b'"x"', "invalid_event", "the event must be an object, not a string"),
        (b"{}", "invalid_event", "event_type is required"),
        (b'{"event_type":"a","event_type":"a"}', "invalid_event", "the event has the key"),
        (b'{"event_type":1e999}', "invalid_event", "event_type is a number too large"),
        (b'{"event_type":"c","x":"\\udfff"}', "invalid_event", "x has half of a surrogate pair"),
        (b"123456789012345678901234", "invalid_event", "the event is an integer beyond 64 bits"),
    ],
)
def test_a_bad_event_is_refused_with_its_reason(body: bytes, code: str, message: str) -> None:
    outcome = refused(body)
    assert code == outcome.code
    assert outcome.message.startswith(message)


def test_flaws_and_broken_rules_are_told_together_and_once() -> None:
    outcome = refused(b'{"user_id":99999999999999999999,"properties":{"a":1,"a":2},"timestamp":1}')
    assert {
        "user_id": "is an integer beyond 64 bits: send it as a string",
        "properties": 'has the key "a" twice',
        "timestamp": "must be RFC 3339 text, not a number",
        "event_type": "is required",
    } == {each.path: each.message for each in outcome.problems}
    assert 4 == len(outcome.problems)


@pytest.mark.parametrize(("levels", "is_accepted"), [(63, True), (64, False), (200, False)])
def test_depth_is_limited_whatever_the_way_an_event_came(levels: int, is_accepted: bool) -> None:
    event = b'{"event_type":"c","x":' + b"[" * levels + b"]" * levels + b"}"
    outcomes = [
        reader.single(event, RECEIPT),
        *reader.batch(b"[" + event + b"]", RECEIPT),
        *reader.ndjson(event, RECEIPT),
    ]
    assert [is_accepted] * 3 == [isinstance(each, Accepted) for each in outcomes]


def test_many_brackets_side_by_side_are_not_deep() -> None:
    stored(b'{"event_type":"c","x":[' + b"[]," * 100 + b"[]]}")


GOOD = b'{"event_type":"c"}'


@pytest.mark.parametrize(
    "bad",
    [
        b"7",
        b"{}",
        b'{"event_type":"c","a":1,"a":1}',
        b'{"event_type":"c","a":"\\ud800"}',
        b'{"event_type":"c","a":18446744073709551616}',
        b'{"event_type":"c","a":1e999}',
        b'{"event_type":"c","a":"' + b"y" * 1000 + b'"}',
        b'{"event_type":"c","a":' + b"[" * 400 + b"]" * 400 + b"}",
        b"[" + GOOD + b"]",
    ],
)
def test_one_bad_event_does_not_cost_its_neighbours(bad: bytes) -> None:
    arrayed = reader.batch(b"[" + b",".join([GOOD, bad, GOOD]) + b"]", RECEIPT)
    lines = reader.ndjson(b"\n".join([GOOD, bad, GOOD]), RECEIPT)
    for outcomes in (arrayed, lines):
        assert [Accepted, Rejected, Accepted] == list(map(type, outcomes))


def test_a_line_that_is_not_json_costs_only_itself() -> None:
    outcomes = reader.ndjson(GOOD + b"\nnonsense\n" + GOOD, RECEIPT)
    assert [Accepted, Rejected, Accepted] == list(map(type, outcomes))


@pytest.mark.parametrize(
    "body",
    [
        GOOD + b"\n" + GOOD,
        GOOD + b"\r\n" + GOOD + b"\r\n",
        b"\n\n  \t\r\n" + GOOD + b"\n \n" + GOOD + b"\n\n",
        b"\xef\xbb\xbf" + GOOD + b"\n" + GOOD,
        b"  " + GOOD + b"  \n\t" + GOOD,
    ],
)
def test_blank_lines_and_line_ends_do_not_matter(body: bytes) -> None:
    assert [Accepted, Accepted] == list(map(type, reader.ndjson(body, RECEIPT)))


@pytest.mark.parametrize(
    ("read", "body", "code", "message"),
    [
        (reader.batch, b"[", "invalid_json", "not JSON at line 1"),
        (reader.batch, GOOD + b"\n" + GOOD, "invalid_json", "application/x-ndjson"),
        (reader.batch, GOOD, "invalid_batch", "not an object: send one event to"),
        (reader.batch, b'{"a":1,"a":1}', "invalid_batch", "not an object"),
        (reader.batch, b"[]", "invalid_batch", "the batch has no events"),
        (reader.batch, b"[" + b",".join([GOOD] * 6) + b"]", "batch_too_large", "at most 5"),
        (reader.ndjson, b"", "invalid_batch", "the batch has no events"),
        (reader.ndjson, b"\n \r\n", "invalid_batch", "the batch has no events"),
        (reader.ndjson, b"\n".join([GOOD] * 6), "batch_too_large", "at most 5"),
    ],
)
def test_a_body_that_is_no_batch_is_an_error_of_its_own(
    read: Callable[[bytes, RequestInfo], object], body: bytes, code: str, message: str
) -> None:
    with pytest.raises(BodyError) as error:
        read(body, RECEIPT)
    assert code == error.value.code
    assert message in error.value.message


def test_a_batch_may_have_as_many_events_as_its_limit() -> None:
    assert 5 == len(reader.batch(b"[" + b",".join([GOOD] * 5) + b"]", RECEIPT))
    assert 5 == len(reader.ndjson(b"\n".join([GOOD] * 5) + b"\n", RECEIPT))
