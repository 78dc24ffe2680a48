import json
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.delivery import layout
from storage.delivery.layout import (
    Address,
    NotAnEvent,
    address,
    batch_key,
    common_day,
    event_key,
    is_batched,
)
from storage.delivery.segment_index import SegmentIndex
from storage.journal.segment import KeyRules
from tests.storage.segments import SEGMENT_ID, record_of
from validation.outcomes import Accepted, RequestInfo
from validation.reader import EventReader


@pytest.mark.parametrize(
    ("prefix", "where", "key"),
    [
        ("events", Address("a", "2026-11-23"), "events/year=2026/month=11/day=23/a.json"),
        (
            "events",
            Address("a.b_c-D", "2000-01-02"),
            "events/year=2000/month=01/day=02/a.b_c-D.json",
        ),
        ("v1/web", Address("_x", "0999-09-09"), "v1/web/year=0999/month=09/day=09/%5Fx.json"),
    ],
)
def test_an_event_has_a_key_of_its_own(prefix: str, where: Address, key: str) -> None:
    assert key == event_key(prefix, where)


@pytest.mark.parametrize(
    ("prefix", "day", "key"),
    [
        ("events", "2026-11-23", f"events/year=2026/month=11/day=23/{SEGMENT_ID}.ndjson.gz"),
        ("a/b", "2026-01-02", f"a/b/year=2026/month=01/day=02/{SEGMENT_ID}.ndjson.gz"),
    ],
)
def test_a_batch_is_named_for_its_segment_and_day(prefix: str, day: str, key: str) -> None:
    assert key == batch_key(prefix, day, SEGMENT_ID)


@pytest.mark.parametrize(
    ("rules", "count", "expected"),
    [
        ("event", 0, False),
        ("event", 1_000_000, False),
        ("batch", 1, True),
        ("batch", 0, True),
        ("auto-100", 99, False),
        ("auto-100", 100, False),
        ("auto-100", 101, True),
        ("auto-0", 0, False),
        ("auto-0", 1, True),
    ],
)
def test_the_layout_and_the_number_of_events_decide_the_kind(
    rules: str, count: int, expected: bool
) -> None:
    assert expected == is_batched(KeyRules(rules, "events"), count)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            b'{"event_id":"a","timestamp":"2026-11-23T23:59:59.999Z"}',
            Address("a", "2026-11-23"),
        ),
        (
            b'{"timestamp":"2000-01-01T00:00:00.000Z","x":{"event_id":"no"},"event_id":"-.9"}',
            Address("-.9", "2000-01-01"),
        ),
        (
            b'{"event_id":"%b","timestamp":"2026-11-23T00:00:00.000Z"}' % (b"i" * 128),
            Address("i" * 128, "2026-11-23"),
        ),
    ],
)
def test_the_address_of_an_event_is_its_id_and_day(line: bytes, expected: Address) -> None:
    assert expected == address(line)


def with_id(event_id: bytes) -> bytes:
    return b'{"event_id":%b,"timestamp":"2026-11-23T00:00:00.000Z"}' % event_id


def with_timestamp(timestamp: bytes) -> bytes:
    return b'{"event_id":"a","timestamp":%b}' % timestamp


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'"event_id"',
        b"null",
        b"7",
        b"{}",
        b'{"event_id":"a"}',
        b'{"timestamp":"2026-11-23T00:00:00.000Z"}',
        with_id(b"null"),
        with_id(b"7"),
        with_id(b'""'),
        with_id(b'"."'),
        with_id(b'".."'),
        with_id(b'"../x"'),
        with_id(b'"a/b"'),
        with_id(b'"a\\n"'),
        with_id(b'"a b"'),
        with_id('"é"'.encode()),
        with_id(b'"%b"' % (b"i" * 129)),
        with_timestamp(b"null"),
        with_timestamp(b"20261123"),
        with_timestamp(b'""'),
        with_timestamp(b'"2026-11-2"'),
        with_timestamp(b'"2026/11/23"'),
        with_timestamp(b'"../../../.."'),
        with_timestamp('"\u0662\u0660\u0662\u0666-\u0661\u0661-\u0662\u0663"'.encode()),
    ],
)
def test_a_line_that_cannot_make_a_safe_key_is_no_event(line: bytes) -> None:
    with pytest.raises(NotAnEvent):
        address(line)


ONE, OTHER = "2026-11-23", "2026-11-22"


def line(day: str = ONE, more: str = "") -> bytes:
    stamp = f"{day}T17:30:00.000Z"
    return f'{{"event_id":"e","event_type":"c","timestamp":"{stamp}"{more}}}'.encode()


def nested(day: str) -> str:
    return f',"properties":{{"timestamp":"{day}T00:00:00.000Z"}}'


WITHOUT_TIMESTAMP = b'{"event_id":"e","event_type":"c"}'
NO_DAY = "no day"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([line(), line()], [ONE, ONE]),
        ([line(), line(OTHER)], [ONE, OTHER]),
        ([line(), line(ONE, nested(ONE))], [ONE, ONE]),
        ([line(), line(ONE, nested(OTHER))], [ONE, ONE]),
        ([line(), line(OTHER, nested(ONE))], [ONE, OTHER]),
        ([line(ONE, nested(ONE)), WITHOUT_TIMESTAMP], [ONE, NO_DAY]),
        ([line(), b"no event"], [ONE, NO_DAY]),
        ([b"no event", line()], [NO_DAY, ONE]),
        ([line(ONE, r',"own":"\"timestamp\":\"2026"')], [ONE]),
        ([line(ONE, r',"own\"timestamp":"2026-11-22"')], [ONE]),
        ([line("not-a-date"), line("not-a-date")], [NO_DAY, NO_DAY]),
        ([json.dumps(json.loads(line())).encode()] * 2, [ONE, ONE]),
    ],
)
def test_every_line_has_its_own_day(lines: list[bytes], expected: list[str]) -> None:
    assert expected == day_texts(lines)


def day_texts(lines: list[bytes]) -> list[str]:
    index, record = SegmentIndex(), record_of(lines)
    index.add(record)
    by_place = {place: day for day, places in index.days.items() for place in places}
    assert len(record.places) == len(by_place) + len(index.corrupt)
    return [by_place.get(place, NO_DAY) for place in record.places]


@pytest.mark.parametrize(
    "bad",
    [
        line().replace(b'"e"', b'"../e"'),
        line().replace(b'"e"', b'".e"'),
        b'not json "timestamp":"2026-11-23',
        b'{"event_type":"c","timestamp":"2026-11-23T17:30:00.000Z"}',
        b'{"timestamp":"2026-11-23T17:30:00.000Z"}',
    ],
    ids=repr,
)
@pytest.mark.parametrize("neighbours", [0, 1, 9])
def test_a_line_that_is_not_an_event_is_found_among_events(bad: bytes, neighbours: int) -> None:
    lines = [*[line()] * neighbours, bad, *[line()] * neighbours]
    expected = [*[ONE] * neighbours, NO_DAY, *[ONE] * neighbours]
    assert expected == day_texts(lines)


# Parts of events from clients that resemble a timestamp, as keys, as texts, and nested.
TRICKY = st.sampled_from(
    ["timestamp", '"timestamp":"', '"timestamp":"2026-11-22', 'x"timestamp', "\\", '\\"', "\n", "é"]
)
VALUES = st.recursive(
    TRICKY | st.integers(0, 9) | st.none(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TRICKY, inner, max_size=2),
    max_leaves=5,
)
TIMES = st.sampled_from(["2026-11-23T17:30:00.000Z", "2026-11-22T17:30:00.000Z"])
OTHER_TIMES = st.sampled_from(
    ["2026-11-23T17:30:00Z", "2026-11-22T23:30:00-05:00", "2026-11-24T00:30:00+01:00", None]
)
MORE = st.one_of(
    st.just({}),
    st.builds(lambda time: {"properties": {"timestamp": time}}, TIMES),
    st.builds(lambda time: {'own"timestamp': time}, TIMES),
    st.builds(lambda time: {"own": {"timestamp": time}}, TIMES),
    st.fixed_dictionaries(
        {},
        optional={
            "event_id": st.sampled_from(["e1", "-.9", "_x", "i" * 128]),
            "user_id": st.sampled_from(["u", '"timestamp":"']),
            "properties": st.dictionaries(TRICKY, VALUES, max_size=3),
            "sent_at": st.sampled_from(["2026-11-23T17:30:00.000Z", "2026-11-23T18:30:00Z"]),
            'own "timestamp":"': VALUES,
        },
    ),
)
SENT = st.builds(
    lambda event_type, time, more: {"event_type": event_type, "timestamp": time, **more},
    st.just("c") | TRICKY.filter(str.strip),
    TIMES | OTHER_TIMES,
    MORE,
)


def reader() -> EventReader:
    ids = (f"made-{number}" for number in count())
    return EventReader(262_144, 1000, lambda: next(ids), lambda: 1795458600.0)


INFO = RequestInfo("2026-11-23T17:30:01.000Z", "192.0.2.1", 'agent "timestamp":"2026-11-22')


def written(sent: list[dict[str, Any]]) -> list[bytes]:
    """Return the stored lines of events that are sent one by one, as an array and as NDJSON."""
    ours = reader()
    bodies = [json.dumps(each, separators=(",", ":")).encode() for each in sent]
    read = [
        *[ours.single(body, INFO) for body in bodies],
        *ours.batch(b"[%b]" % b",".join(bodies), INFO),
        *ours.ndjson(b"\n".join(bodies), INFO),
    ]
    return [each.line for each in read if isinstance(each, Accepted)]


@given(st.lists(SENT, min_size=1, max_size=6))
def test_the_days_of_validated_events_are_those_that_a_json_parser_finds(
    sent: list[dict[str, Any]],
) -> None:
    lines = written(sent)
    assert 3 * len(sent) == len(lines)
    expected = [json.loads(line)["timestamp"][:10] for line in lines]
    assert expected == day_texts(lines)
    assert [[each] for each in expected] == [day_texts([line]) for line in lines]


def test_events_of_one_day_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    slow_path = {"event_type": 'click\n"', "timestamp": "2026-11-23T17:30:00Z", "own": [1]}
    fast_path = {"event_type": "click", "properties": {"n": 1}}
    lines = written([slow_path, fast_path, {"event_type": "x"}])

    def parsed(line: bytes) -> Address:
        raise AssertionError(f"{line!r} was parsed")

    monkeypatch.setattr(layout, "address", parsed)
    assert [ONE] * 9 == day_texts(lines)


@pytest.mark.parametrize(
    "lines",
    [
        [line(ONE), line(OTHER)],
        [line(ONE), b"no event"],
        [b"no event", line(ONE)],
        [line(ONE), line(ONE).replace(b'"e"', b'".e"')],
        [line(ONE), line(ONE).replace(b'"c"', b'"c\\"')],
        [line(ONE), line("not-a-date")],
        [line(ONE), b" " + line(ONE)],
        [WITHOUT_TIMESTAMP, line(ONE, nested(ONE)), line(ONE)],
    ],
)
def test_events_that_may_not_share_a_day_are_looked_at_one_by_one(lines: list[bytes]) -> None:
    assert common_day(record_of(lines)) is None


@pytest.mark.parametrize(
    "lines",
    [
        [line(ONE)],
        [line(ONE)] * 64,
        [line(ONE, nested(OTHER)), line(ONE)],
        [line(ONE).replace(b'"e"', b'"e~9bd5e07d5d8e5f4c"')],
        [line(ONE).replace(b'"c"', rb'"c\"\\\n,"')],
        [line(ONE).replace(b'"c"', '"中文 🦉"'.encode())],
    ],
)
def test_events_that_share_a_day_are_not_looked_at_one_by_one(lines: list[bytes]) -> None:
    assert ONE == common_day(record_of(lines))


@pytest.mark.parametrize("event_id", ["a~9bd5e07d5d8e5f4c", f"{'x' * 128}~0123456789abcdef"])
def test_the_id_of_a_conflict_can_be_part_of_a_key(event_id: str) -> None:
    line = json.dumps({"event_id": event_id, "timestamp": "2026-11-23T17:30:00.000Z"}).encode()
    key = layout.event_key("events", layout.address(line))
    assert f"events/year=2026/month=11/day=23/{event_id}.json" == key


@pytest.mark.parametrize("event_id", ["a~", "a~9", "~9bd5e07d5d8e5f4c", "a~9BD5E07D5D8E5F4C"])
def test_no_other_id_with_a_tilde_can(event_id: str) -> None:
    line = json.dumps({"event_id": event_id, "timestamp": "2026-11-23T17:30:00.000Z"}).encode()
    with pytest.raises(layout.NotAnEvent):
        layout.address(line)
