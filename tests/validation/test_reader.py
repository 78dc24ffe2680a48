import json
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import validation.reader
from tests.validation.test_strict_json import texts, values
from validation.field_names import name_problems
from validation.fields import FIELDS
from validation.outcomes import Accepted, Rejected, RequestInfo
from validation.reader import BodyError, EventReader
from validation.strict_json import Parsed, parse_marking
from validation.turns import TURN_BYTES, Meter, Turns

NOW = 1_795_455_000.0
INFO = RequestInfo("2026-11-23T17:30:00.000Z", "192.0.2.7", "agent/1")
MAX_EVENT_BYTES = 1000
MAX_BATCH_EVENTS = 5
MAX_STEPS = 100_000

FROM_THE_SERVER = {"received_at": INFO.received_at, "user_agent": "agent/1"} | {
    "ip_address": "192.0.2.7"
}
# Fields that have a meaning of their own: a client may not put just any value into them.
RULED = {each.name for each in FIELDS}


def make_reader(max_event_bytes: int = MAX_EVENT_BYTES) -> EventReader:
    return EventReader(max_event_bytes, MAX_BATCH_EVENTS, lambda: "made", lambda: NOW)


reader = make_reader()


def stored(body: bytes) -> dict[str, Any]:
    outcome = reader.single(body, INFO)
    assert isinstance(outcome, Accepted), outcome
    event: dict[str, Any] = json.loads(outcome.line)
    assert event["event_id"] == outcome.event_id
    return event


def rejected(body: bytes) -> Rejected:
    outcome = reader.single(body, INFO)
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


def test_a_client_cannot_set_the_fields_of_the_server() -> None:
    sent = {"event_type": "c", "received_at": 1, "user_agent": {}, "ip_address": "6.6.6.6"}
    assert {
        "event_id": "made",
        "event_type": "c",
        "timestamp": INFO.received_at,
        **FROM_THE_SERVER,
    } == stored(json.dumps(sent).encode())


def test_a_fact_unknown_to_the_server_is_absent() -> None:
    outcome = reader.single(b'{"event_type":"c"}', RequestInfo(INFO.received_at, None, ""))
    assert isinstance(outcome, Accepted)
    assert {"user_agent", "ip_address"}.isdisjoint(json.loads(outcome.line))


def test_an_absent_field_is_not_stored() -> None:
    sent = {"event_type": "c", "user_id": None, "session_id": "", "properties": None}
    assert {"user_id", "session_id", "properties"}.isdisjoint(stored(json.dumps(sent).encode()))


@given(
    st.dictionaries(texts.filter(lambda key: key not in RULED), values).filter(
        lambda own: not list(name_problems(own))
    ),
    st.dictionaries(texts, values),
    st.booleans(),
)
def test_nothing_that_was_sent_is_lost(
    own: dict[str, Any], properties: dict[str, Any], compact: bool
) -> None:
    sent = {"event_type": "c", "properties": properties, **own}
    body = orjson.dumps(sent) if compact else json.dumps(sent).encode()
    outcome = make_reader(10**6).single(body, INFO)
    assert isinstance(outcome, Accepted)
    event = json.loads(outcome.line)
    assert {"event_type": "c", **own} == {key: event[key] for key in ("event_type", *own)}
    assert properties == event["properties"]
    assert b"\n" not in outcome.line


@given(st.binary(max_size=60) | values.map(orjson.dumps))
def test_no_body_makes_the_reader_fail(body: bytes) -> None:
    assert isinstance(reader.single(body, INFO), Accepted | Rejected)
    for read in (reader.batch, reader.ndjson):
        try:
            read(body, INFO)
        except BodyError as error:
            assert error.code in {"invalid_json", "invalid_batch", "batch_too_large"}


def test_an_event_may_be_exactly_as_large_as_the_limit() -> None:
    empty = len(orjson.dumps(stored(b'{"event_type":"c","x":""}')))
    fits = b'{"event_type":"c","x":"%s"}' % (b"y" * (MAX_EVENT_BYTES - empty))
    assert MAX_EVENT_BYTES == len(orjson.dumps(stored(fits)))
    outcome = rejected(fits[:-2] + b'y"}')
    assert "event_too_large" == outcome.code
    assert outcome.message == "an event may have at most 1000 bytes, this one has 1001"


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
        (b'{"event_type":"c","x":"\\udfff"}', "invalid_event", "x contains an unpaired surrogate"),
        (b"123456789012345678901234", "invalid_event", "the event is an integer beyond 64 bits"),
    ],
)
def test_a_bad_event_is_rejected_with_its_reason(body: bytes, code: str, message: str) -> None:
    outcome = rejected(body)
    assert code == outcome.code
    assert outcome.message.startswith(message)


def test_an_event_may_be_longer_as_sent_than_as_stored() -> None:
    escaped = b'{"event_type":"c","a":"' + b"\\u0041" * 500 + b'"}'
    spaced = b'{"event_type":"c",' + b" " * 5000 + b'"a":1}'
    assert 500 == len(stored(escaped)["a"])
    assert 1 == stored(spaced)["a"]


@pytest.mark.parametrize("inner", [b"1", b"NaN", b'{"a":1,"a":2}'])
def test_an_event_that_is_too_large_as_sent_is_not_parsed(
    inner: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for parser in ("parse_exact", "parse_exact_in_turns", "parse_marking"):
        monkeypatch.setattr(validation.reader, parser, pytest.fail)
    body = b'{"event_type":"c","a":[%b]}' % b",".join([inner] * MAX_EVENT_BYTES)
    for outcome in (reader.single(body, INFO), reader.batch(b"[%b]" % body, INFO)[0]):
        assert isinstance(outcome, Rejected)
        assert "event_too_large" == outcome.code
        expected = f"an event may have at most 1000 bytes, this one has {len(body)} as sent"
        assert expected == outcome.message


def test_the_slow_parser_gets_no_event_that_is_longer_than_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parsed: list[int] = []

    def parse(text: bytes, meter: Meter) -> Turns[Parsed]:
        parsed.append(len(text))
        return parse_marking(text, meter)

    monkeypatch.setattr(validation.reader, "parse_marking", parse)
    doubled = b'{"event_type":"c","a":1,%b"a":1}'
    short, long = doubled % b"", doubled % (b" " * MAX_EVENT_BYTES)
    outcomes = reader.batch(b"[%b,%b,%b]" % (short, long, GOOD), INFO)
    assert ["invalid_event", "event_too_large"] == [
        each.code for each in outcomes if isinstance(each, Rejected)
    ]
    assert [len(short)] == parsed


@pytest.mark.parametrize(
    "text",
    [
        b'{"event_type":"c","a":"12345678901234567890123"}',
        b'{"event_type":"c","a":12345678901234567890, "b": 1e300}',
        b'{"event_type":"c","a":"\\u0022", "b": "\\\\u0022"}',
        b'{"event_type":"c","a":"1e+99", "b": 1234567890123456789}',
    ],
)
def test_the_slow_parser_is_only_for_events_that_are_rejected(
    text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation.reader, "parse_marking", pytest.fail)
    assert json.loads(text)["a"] == stored(text)["a"]


def turn_sizes(turns: Turns[object], sizes: list[int]) -> list[int]:
    """Return how many of the bytes that were worked on fall into each turn."""
    per_turn = []
    is_done = False
    while not is_done:
        sizes.clear()
        try:
            next(turns)
        except StopIteration:
            is_done = True
        per_turn.append(sum(sizes))
    return per_turn


@pytest.mark.parametrize(
    ("parser", "event_bytes"),
    [
        ("parse_exact", 40),
        ("parse_exact", 5_000),
        ("parse_exact_in_turns", 60_000),
        ("parse_exact_in_turns", 300_000),
        ("parse_marking", 40),
        ("parse_marking", 5_000),
        ("parse_marking", 60_000),
        ("parse_marking", 300_000),
    ],
)
def test_a_turn_parses_one_event_or_a_bounded_number_of_bytes(
    parser: str, event_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    parse = getattr(validation.reader, parser)

    def count(text: bytes, *meter: Meter) -> object:
        sizes.append(len(text))
        return parse(text, *meter)

    monkeypatch.setattr(validation.reader, parser, count)
    doubled = b'{"a":1,"a":"%b"}' % (b"x" * (event_bytes - 14))
    events = [doubled] * min(1000, 5 * 2**20 // event_bytes)
    large = EventReader(2**19, 1000, lambda: "made", lambda: NOW)
    for turns in (
        large.batch_in_turns(b"[%b]" % b",".join(events), INFO),
        large.ndjson_in_turns(b"\n".join(events), INFO),
    ):
        per_turn = turn_sizes(turns, sizes)
        assert 0 < max(per_turn) <= max(TURN_BYTES, len(doubled))


# The text of each event is filled with the items, as often as they fit into EVENT_BYTES.
EVENT_BYTES = 2**18
HOSTILE = {
    "arrays and a lost integer": (b'{"b":99999999999999999999,"a":[', b"[]", b"]}"),
    "objects and a lost integer": (b'{"b":99999999999999999999,"a":[', b'{"":0}', b"]}"),
    "objects and NaN": (b'{"a":[', b"{}", b"],NaN"),
    "objects and a doubled key": (b'{"a":1,"a":[', b'{"":{}}', b"]}"),
    "objects with doubled keys": (b'{"a":[', b'{"":0,"":0}', b"]}"),
    "deep arrays and a surrogate": (b'{"b":"\\ud800","a":[', b"[" * 60 + b"]" * 60, b"]}"),
    "integers beside a huge one": (b'{"b":%b,"a":[' % (b"9" * 5000), b"1", b"]}"),
    "deep doubles that are too large": (
        b'{"a":' + b"[" * 60,
        b"1e999",
        b"]" * 60 + b"}",
    ),
}


def hostile(head: bytes, item: bytes, end: bytes) -> bytes:
    items = (EVENT_BYTES - len(head) - len(end)) // (len(item) + 1)
    return head + b",".join([item] * items) + end


def event_of_many_fields(fields: int) -> bytes:
    members = [b'"%x":0' % at for at in range(fields)]
    return b"{" + b",".join(members) + b"}"


def steps_per_turn(turns: Turns[object]) -> list[int]:
    """Return how many lines of Python, about, and calls from it run in each turn."""
    steps: list[int] = []

    def count(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
        steps[-1] += 1
        return count

    is_done = False
    while not is_done:
        steps.append(0)
        sys.settrace(count)
        try:
            next(turns)
        except StopIteration:
            is_done = True
        finally:
            sys.settrace(None)
    return steps


@pytest.mark.parametrize("text", [hostile(*each) for each in HOSTILE.values()], ids=list(HOSTILE))
def test_no_turn_runs_python_for_each_value_of_a_hostile_event(text: bytes) -> None:
    large = EventReader(EVENT_BYTES, 1000, lambda: "made", lambda: NOW)
    steps = steps_per_turn(large.single_in_turns(text, INFO))
    assert max(steps) < MAX_STEPS, steps


def test_no_turn_runs_python_for_each_field_of_an_event() -> None:
    large = EventReader(EVENT_BYTES, 1000, lambda: "made", lambda: NOW)
    steps = steps_per_turn(large.single_in_turns(event_of_many_fields(20_000), INFO))
    assert max(steps) < MAX_STEPS, steps


def test_problems_of_the_json_and_broken_rules_are_reported_together_and_once() -> None:
    outcome = rejected(b'{"user_id":99999999999999999999,"properties":{"a":1,"a":2},"timestamp":1}')
    assert {
        "user_id": "is an integer beyond 64 bits: send it as a string",
        "properties": 'has the key "a" twice',
        "timestamp": "must be a string in RFC 3339 format, not a number",
        "event_type": "is required",
    } == {each.path: each.message for each in outcome.problems}
    assert 4 == len(outcome.problems)


@pytest.mark.parametrize(("levels", "is_accepted"), [(63, True), (64, False), (200, False)])
def test_depth_is_limited_however_an_event_is_sent(levels: int, is_accepted: bool) -> None:
    event = b'{"event_type":"c","x":' + b"[" * levels + b"]" * levels + b"}"
    outcomes = {
        "single": reader.single(event, INFO),
        "batch": reader.batch(b"[" + event + b"]", INFO)[0],
        "NDJSON": reader.ndjson(event, INFO)[0],
    }
    expected = dict.fromkeys(outcomes, Accepted if is_accepted else Rejected)
    assert expected == {way: type(outcome) for way, outcome in outcomes.items()}


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
        b'{"event_type":NaN}',
        b'{"event_type":"c","a":"\xe9"}',
        b'{"event_type":"c","a":"\\x"}',
        b'{"event_type":"c",}',
        b"{'event_type':'c'}",
        b"nonsense",
        b'{"event_type":"c","a":' + b"[" * 3000 + b"]" * 3000 + b"}",
    ],
)
def test_a_bad_event_does_not_affect_its_neighbours(bad: bytes) -> None:
    arrayed = reader.batch(b"[" + b",".join([GOOD, bad, GOOD]) + b"]", INFO)
    lines = reader.ndjson(b"\n".join([GOOD, bad, GOOD]), INFO)
    for outcomes in (arrayed, lines):
        assert [Accepted, Rejected, Accepted] == list(map(type, outcomes))


@pytest.mark.parametrize(
    ("bad", "code", "message"),
    [
        (b' {"event_type":\n NaN}', "invalid_json", "not JSON at line 2, column 2: NaN and"),
        (b'{"event_type":"\xe9"}', "invalid_json", "not UTF-8 at byte 15"),
        (b"", "invalid_json", "not JSON at line 1, column 1: expecting value"),
        (b'{"event_type":"c","a":1e999}', "invalid_event", "a is a number too large for a double"),
    ],
)
def test_an_error_of_an_array_has_the_position_within_its_event(
    bad: bytes, code: str, message: str
) -> None:
    good, found = reader.batch(b"[%b, %b]" % (GOOD, bad), INFO)
    assert isinstance(good, Accepted)
    assert isinstance(found, Rejected)
    assert code == found.code
    assert found.message.startswith(message)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_lines_of_objects_are_read_whatever_they_are_announced_as(end: bytes) -> None:
    outcomes = reader.batch(GOOD + b"\nnonsense\n" + GOOD + end, INFO)
    assert [Accepted, Rejected, Accepted] == list(map(type, outcomes))


def test_an_array_is_read_although_lines_were_announced() -> None:
    outcomes = reader.ndjson(b"[%b,\n{}, %b]" % (GOOD, GOOD), INFO)
    assert [Accepted, Rejected, Accepted] == list(map(type, outcomes))
    assert [Rejected, Accepted] == list(map(type, reader.ndjson(b"[1]\n" + GOOD, INFO)))


def test_a_line_that_is_not_json_does_not_affect_other_lines() -> None:
    outcomes = reader.ndjson(GOOD + b"\nnonsense\n" + GOOD, INFO)
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
    assert [Accepted, Accepted] == list(map(type, reader.ndjson(body, INFO)))


@pytest.mark.parametrize(
    ("read", "body", "code", "message"),
    [
        (reader.batch, b"[", "invalid_json", "not JSON at line 1"),
        (reader.batch, b'{"a":\n1' + GOOD, "invalid_json", "application/x-ndjson"),
        (reader.batch, GOOD, "invalid_batch", "not an object: send one event to"),
        (reader.batch, b'{"a":1,"a":1}', "invalid_batch", "not an object"),
        (reader.batch, b"[]", "invalid_batch", "the batch has no events"),
        (reader.batch, b"[" + b",".join([GOOD] * 6) + b"]", "batch_too_large", "at most 5"),
        (reader.ndjson, b"", "invalid_batch", "the batch has no events"),
        (reader.ndjson, b"\n \r\n", "invalid_batch", "the batch has no events"),
        (reader.ndjson, b"\n".join([GOOD] * 6), "batch_too_large", "at most 5"),
    ],
)
def test_a_body_that_is_not_a_batch_is_an_error(
    read: Callable[[bytes, RequestInfo], object], body: bytes, code: str, message: str
) -> None:
    with pytest.raises(BodyError) as error:
        read(body, INFO)
    assert code == error.value.code
    assert message in error.value.message


def test_a_batch_may_have_exactly_as_many_events_as_the_limit() -> None:
    assert 5 == len(reader.batch(b"[" + b",".join([GOOD] * 5) + b"]", INFO))
    assert 5 == len(reader.ndjson(b"\n".join([GOOD] * 5) + b"\n", INFO))
