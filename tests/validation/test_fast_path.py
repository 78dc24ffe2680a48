"""The fast path against the schema: whatever it accepts, the schema accepts with the same result.

To try any number of texts by hand: `python -m tests.validation.test_fast_path 500000`.
"""

import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.validation.event_texts import REAL_EVENTS, Texts
from tests.validation.readers import NOW, make_column_reader, make_reader, without_fast_path
from validation.chunks import MAX_TEXTS
from validation.fast_path import FastPath
from validation.outcomes import Accepted, Rejected, RequestInfo
from validation.reader import BodyError, EventReader

INFOS = [
    RequestInfo("2026-11-23T17:30:00.000Z", "192.0.2.7", "agent/1"),
    RequestInfo("2026-11-23T17:30:00.000Z", None, None),
    RequestInfo("2026-11-23T17:30:00.000Z", "2001:db8::1", ""),
]
MAX_EVENT_BYTES = 1200
MAX_BATCH_EVENTS = 4
CASES = 2500

# The ways of the fast path, named after the methods that a text takes.
WAYS = {
    "one": ("one", "_stored"),
    "array in columns": ("several", "_batch"),
    "array written again, in columns": ("several", "_array", "_batch"),
    "array event by event": ("several", "_array", "_stored"),
    "lines in columns": ("each", "_batch"),
    "lines written again, in columns": ("each", "_array", "_batch"),
    "lines event by event": ("each", "_array", "_stored"),
}
NAMES = {way: name for name, way in WAYS.items()}


class Readers:
    """A reader, and one that leaves every event to the schema."""

    def __init__(self) -> None:
        self.whole = make_column_reader(MAX_EVENT_BYTES, MAX_BATCH_EVENTS, learns_one_in=4)
        self.schema_alone = without_fast_path(make_reader(MAX_EVENT_BYTES, MAX_BATCH_EVENTS))
        self.fast_path: FastPath = getattr(self.whole, "_fast_path")  # noqa: B009
        self._taken: list[str] = []
        for name in {name for way in WAYS.values() for name in way}:
            self._note(name)

    def _note(self, name: str) -> None:
        method = getattr(self.fast_path, name)

        def noted(*args: Any) -> Any:
            self._taken.append(name)
            return method(*args)

        setattr(self.fast_path, name, noted)

    def compare(self, text: bytes, kind: str, info: RequestInfo) -> str:
        """Return the way that a text took; AssertionError if the two readers differ."""
        self._taken.clear()
        found, expected = (
            outcomes(each, text, kind, info) for each in (self.whole, self.schema_alone)
        )
        assert expected == found, text
        if isinstance(found, str) or not all(isinstance(each, Accepted) for each in found):
            return "rejected"
        return NAMES.get(tuple(dict.fromkeys(self._taken)), "accepted otherwise")


def outcomes(
    reader: EventReader, text: bytes, kind: str, info: RequestInfo
) -> list[Accepted | Rejected] | str:
    try:
        if kind == "one":
            return [reader.single(text, info)]
        return reader.batch(text, info) if kind == "array" else reader.ndjson(text, info)
    except BodyError as error:
        return f"{error.code}: {error.message}"


def compare_many(seed: int, cases: int) -> Counter[str]:
    texts, readers = Texts(seed), Readers()
    return Counter(
        readers.compare(*texts.text(), INFOS[number % len(INFOS)]) for number in range(cases)
    )


@pytest.mark.parametrize("seed", range(2))
def test_the_fast_path_and_the_schema_have_the_same_result(seed: int) -> None:
    found = compare_many(seed, CASES)
    assert {*WAYS, "accepted otherwise", "rejected"} == found.keys()
    assert min(found.values()) > CASES // 200, found


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


# The forms in which a body may be written, each with its kind and the way that it takes.
FORMS: dict[str, tuple[Callable[[list[object]], str], str, str]] = {
    "JavaScript": (compact, "array", "array in columns"),
    "Python": (json.dumps, "array", "array written again, in columns"),
    "indented": (partial(json.dumps, indent=2), "array", "array written again, in columns"),
    "lines": (lambda body: "\n".join(map(compact, body)), "lines", "lines in columns"),
    "Python's lines": (
        lambda body: "\r\n".join(map(json.dumps, body)),
        "lines",
        "lines written again, in columns",
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sender", REAL_EVENTS)
def test_what_real_senders_send_is_read_in_columns(sender: str, form: str) -> None:
    readers = Readers()
    write, kind, way = FORMS[form]
    text = write([REAL_EVENTS[sender]] * 2).encode()
    readers.compare(text, kind, INFOS[0])
    assert way == readers.compare(text, kind, INFOS[0])


@pytest.mark.parametrize("sender", REAL_EVENTS)
def test_what_real_senders_send_alone_is_on_the_fast_path(sender: str) -> None:
    assert "one" == Readers().compare(compact(REAL_EVENTS[sender]).encode(), "one", INFOS[0])


def test_columns_are_for_bodies_of_more_than_a_few_events() -> None:
    few, many = (compact([{"event_type": "c"}] * size).encode() for size in (2, 200))
    fast_path = FastPath(10_000, 200, lambda: "made", lambda: NOW)
    for text in (few, many):
        assert fast_path.several(text, INFOS[0])
    shapes = fast_path._shapes
    assert shapes.array(many) is not None
    assert not fast_path._may_have_shape(few)
    assert fast_path._may_have_shape(many)


@pytest.mark.parametrize(
    "text",
    [
        b'{"event_type":"click"}',
        b'{"event_id":"a","event_type":"c","timestamp":"2026-11-23T17:30:00.123Z"}',
        b'{"event_type":"c","user_id":"u","session_id":"s","properties":{"a":[{"b":1.5}]}}',
        b'{ "properties": {}, "event_type": "click" }',
        b'{"event_type":"c","sent_at":"2026-11-23T17:29:59.000Z"}',
        '{"event_type":"é😀\\n"}'.encode(),
    ],
)
def test_common_events_are_on_the_fast_path(text: bytes) -> None:
    fast_path = Readers().fast_path
    assert fast_path.one(text, INFOS[0]) is not None
    assert 2 == len(fast_path.several(b"[%b,%b]" % (text, text), INFOS[0]) or [])


def test_one_deep_event_among_many_flat_ones_is_found() -> None:
    deep = b'{"event_type":"c","properties":{"a":%b}}' % (b"[" * 63 + b"]" * 63)
    reader = make_reader(MAX_EVENT_BYTES, 200)
    several = [b'{"event_type":"c"}'] * 100 + [deep]
    found = reader.batch(b"[%b]" % b",".join(several), INFOS[0])
    assert [Rejected] == [type(each) for each in found[-1:]]
    assert {Accepted} == {type(each) for each in found[:-1]}


def test_a_turn_reads_a_bounded_number_of_events_one_by_one() -> None:
    in_two_orders = [{"event_type": "c", "own": 1}, {"own": 1, "event_type": "c"}]
    fast_path = FastPath(100_000, 1000, lambda: "made", lambda: NOW)
    reader = EventReader(100_000, 1000, lambda: "made", lambda: NOW)
    for size in (MAX_TEXTS // 2, MAX_TEXTS):
        text = compact(in_two_orders * size).encode()
        assert (2 * size <= MAX_TEXTS) == (fast_path.several(text, INFOS[0]) is not None)
        assert {Accepted} == {type(each) for each in reader.batch(text, INFOS[0])}


@pytest.mark.parametrize("columns_bytes", [0, 10_000])
def test_no_event_of_a_batch_that_is_too_large_is_read(columns_bytes: int) -> None:
    made: list[str] = []

    def make() -> str:
        made.append("made")
        return "made"

    fast_path = FastPath(MAX_EVENT_BYTES, 4, make, lambda: NOW, columns_bytes=columns_bytes)
    several = [compact([{"event_type": "c"}] * size).encode() for size in (4, 5)]
    assert fast_path.several(several[0], INFOS[0]) is not None
    assert fast_path.several(several[1], INFOS[0]) is None
    assert ["made"] * 4 == made
    reader = EventReader(MAX_EVENT_BYTES, 4, make, lambda: NOW)
    setattr(reader, "_fast_path", fast_path)  # noqa: B010
    with pytest.raises(BodyError, match="at most 4 events"):
        reader.batch(several[1], INFOS[0])
    assert ["made"] * 4 == made


if __name__ == "__main__":
    sys.stdout.write(f"{compare_many(random.randrange(2**32), int(sys.argv[1]))}\n")


@pytest.mark.parametrize("sent_at", ["2026-11-23T17:30:00.000Z", "2026-11-21T17:30:00.000Z"])
@pytest.mark.parametrize(
    "timestamp",
    ["2026-11-23T17:30:01.000Z", "2026-11-23T17:30:03.000Z", "2026-11-24T06:00:00+12:00", "x"],
)
def test_events_later_than_their_request_are_corrected_together_as_alone(
    sent_at: str, timestamp: str
) -> None:
    usual = {"event_type": "c", "timestamp": "2026-11-23T17:29:59.000Z", "sent_at": sent_at}
    events = [{"event_id": f"e{n}", **usual} for n in range(30)]
    events[7]["timestamp"] = timestamp
    text = compact(events).encode()
    together = make_column_reader(MAX_EVENT_BYTES, 100).batch(text, INFOS[0])
    assert without_fast_path(make_reader(MAX_EVENT_BYTES, 100)).batch(text, INFOS[0]) == together
