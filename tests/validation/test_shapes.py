import json
import sys
from typing import Any

import msgspec
import orjson
import pytest

from validation.shapes import (
    LEARNING_S,
    MAX_FIELDS,
    MAX_NAME_CHARS,
    MAX_SHAPES,
    Shapes,
    merged,
)

BEACON = ["event_id", "timestamp", "event_type", "user_id", "session_id", "properties", "sent_at"]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Learner:
    """Shapes whose clock passes LEARNING_S before each event."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.shapes = Shapes(self.clock)

    def learn(self, *events: list[str]) -> None:
        self.clock.now += LEARNING_S
        self.shapes.learn([dict.fromkeys(each, "a") for each in events])

    def knows(self, *names: str) -> bool:
        return self.shapes.array(compact([dict.fromkeys(names, "a")])) is not None


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def own(number: int) -> list[str]:
    return ["event_type", f"own_{number}"]


def test_a_shape_reads_events_that_lack_any_of_its_fields() -> None:
    learner = Learner()
    assert not learner.knows(*BEACON)
    learner.learn(BEACON)
    assert learner.knows(*BEACON)
    assert learner.knows("event_type", "sent_at")
    assert not learner.knows("sent_at", "event_type")
    assert not learner.knows(*BEACON, "own")


def test_events_with_different_fields_of_one_order_have_one_shape() -> None:
    learner = Learner()
    learner.learn(
        ["event_type", "own"], ["event_id", "event_type"], ["event_type", "own", "sent_at"]
    )
    assert 1 == len(learner.shapes._recent)
    assert learner.knows("event_id", "event_type", "own", "sent_at")


def test_events_in_two_orders_have_no_shape() -> None:
    learner = Learner()
    learner.learn(["event_type", "own"], ["own", "event_type"])
    assert not learner.knows("event_type", "own")


def test_usual_fields_are_added_to_a_shape_with_the_same_own_fields() -> None:
    learner = Learner()
    learner.learn(["event_type", "own"])
    learner.learn(["event_type", "user_id", "own"])
    assert 1 == len(learner.shapes._recent)
    assert learner.knows("event_type", "own")
    assert learner.knows("event_type", "user_id", "own")


def test_a_stranger_adds_no_field_to_the_shape_of_another_sender() -> None:
    learner = Learner()
    learner.learn(["event_type", "own"])
    learner.learn(["event_type", "own", "more"])
    assert [3, 2] == [len(each.names) for each in learner.shapes._recent]


def test_the_shapes_that_are_kept_are_those_used_last() -> None:
    learner = Learner()
    learner.learn(BEACON)
    for number in range(3 * MAX_SHAPES):
        learner.learn(own(number))
        assert learner.knows(*BEACON)
    assert MAX_SHAPES == len(learner.shapes._recent)
    assert not learner.knows(*own(0))


def test_events_are_looked_at_for_a_shape_once_in_a_while() -> None:
    learner = Learner()
    learner.learn(["event_type", "a"], ["a", "event_type"])
    learner.shapes.learn([dict.fromkeys(BEACON, "a")])
    learner.clock.now += LEARNING_S - 0.01
    learner.shapes.learn([dict.fromkeys(BEACON, "a")])
    assert not learner.knows(*BEACON)
    learner.clock.now += 0.01
    learner.shapes.learn([dict.fromkeys(BEACON, "a")])
    assert learner.knows(*BEACON)


@pytest.mark.parametrize(
    "names",
    [
        ["event_type", *(f"own_{number}" for number in range(MAX_FIELDS))],
        ["event_type", "x" * MAX_NAME_CHARS],
        ["event_type", 'a "quoted" name'],
        ["event_type", "back\\slash"],
        ["event_type", "line\nend"],
        ["event_type", "User_Id"],
        ["event_type", "utm", "UTM"],
        ["event_type", ""],
    ],
)
def test_some_names_make_no_shape(names: list[str]) -> None:
    learner = Learner()
    learner.learn(names)
    assert [] == learner.shapes._recent


def test_names_that_clash_only_in_different_events_make_no_shape() -> None:
    learner = Learner()
    learner.learn(["event_type", "utm"], ["event_type", "UTM"])
    assert [] == learner.shapes._recent


@pytest.mark.parametrize(
    "name", ["größe", "\U0001f600", "class", "a b", "field_0", "__init__", "/"]
)
def test_any_other_name_may_be_in_a_shape(name: str) -> None:
    learner = Learner()
    learner.learn(["event_type", name])
    assert learner.knows("event_type", name)


def test_many_names_in_an_order_of_their_own_cost_no_more_than_a_few() -> None:
    names = tuple(f"own_{number}" for number in range(100_000))
    assert merged((), names) is None


@pytest.mark.parametrize(
    ("names", "others", "expected"),
    [
        ("", "ab", "ab"),
        ("ab", "", "ab"),
        ("ab", "ab", "ab"),
        ("ab", "xaybz", "xaybz"),
        ("abc", "ac", "abc"),
        ("abc", "adc", "adbc"),
        ("ab", "ba", None),
        ("abc", "cxa", None),
    ],
)
def test_names_are_merged_in_an_order_that_both_have(
    names: str, others: str, expected: str | None
) -> None:
    assert (None if expected is None else tuple(expected)) == merged(tuple(names), tuple(others))


@pytest.mark.parametrize(
    "value",
    [
        "1e5",
        "1.50",
        "-0",
        "1e20",
        "18446744073709551616",
        '{"a":1,"a":1}',
        '"\\ud800"',
        '"\\u00e9"',
        "[ 1]",
        "01",
        '"\x01"',
        "[" * 64 + "]" * 64,
    ],
)
@pytest.mark.parametrize("name", ["own", "properties", "user_agent"])
def test_a_value_that_is_not_as_it_will_be_stored_is_left_to_others(name: str, value: str) -> None:
    learner = Learner()
    learner.learn(["event_type", name])
    text = f'[{{"event_type":"c","{name}":{value}}},{{"event_type":"c","{name}":1}}]'
    assert learner.shapes.array(text.encode()) is None
    good = text.replace(value, "[" * 63 + "]" * 63)
    assert learner.shapes.array(good.encode()) is not None


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**63) - 1, 10**30])
@pytest.mark.parametrize("name", ["user_id", "session_id"])
def test_a_number_that_may_be_beyond_64_bits_is_left_to_others(name: str, number: int) -> None:
    learner = Learner()
    learner.learn(["event_type", name])
    assert learner.shapes.array(compact([{"event_type": "c", name: 2**63 - 1}])) is not None
    assert learner.shapes.array(compact([{"event_type": "c", name: -(2**63)}])) is not None
    assert learner.shapes.array(compact([{"event_type": "c", name: number}])) is None


def test_lines_are_read_only_if_each_ends_where_its_event_does() -> None:
    learner = Learner()
    learner.learn(["event_type", "own"])
    assert learner.shapes.lines(b'{"event_type":"c"}\n{"own":1}\n') is not None
    for text in (
        b'{"event_type":"c"\n"own":1},{}\n',
        b'{"event_type":"c"}{"own":1}\n',
        b'{"event_type":"c"}\n\n{"own":1}\n',
        b'{"own":[1,\n2]}\n',
        b'{"own":1}',
    ):
        assert learner.shapes.lines(text) is None, text


def test_msgspec_writes_every_text_as_orjson_does() -> None:
    text = "".join(map(chr, range(sys.maxunicode + 1)))
    text = text.encode("utf-8", "ignore").decode()
    assert orjson.dumps(text) == msgspec.json.encode(text)
