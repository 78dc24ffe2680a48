"""The fast path against the schema: whatever it accepts, the schema accepts with the same result.

Texts are made of pieces that two programs are likely to read differently. To try any number of
them by hand: `python -m tests.validation.test_fast_path 5000000`.
"""

import random
import sys
from collections import Counter
from collections.abc import Callable

import orjson
import pytest

from tests.validation.readers import NOW, make_reader, without_fast_path
from validation.fast_path import FastPath
from validation.outcomes import Accepted, Rejected, RequestInfo
from validation.reader import BodyError, EventReader
from validation.turns import at_once

INFOS = [
    RequestInfo("2026-11-23T17:30:00.000Z", "192.0.2.7", "agent/1"),
    RequestInfo("2026-11-23T17:30:00.000Z", None, None),
    RequestInfo("2026-11-23T17:30:00.000Z", "2001:db8::1", ""),
]
MAX_EVENT_BYTES = 600
CASES = 60_000

Pick = Callable[[list[str]], str]

STRINGS = [
    '""', '" "', '"\\t\\n"', '"a"', '"click"', '"a b"', '"é€😀"', '"\\u0041"', '"\\u0022"', '"\\""',
    '"\\\\"', '"a\\/b"', '"\\u0000"', '"\\ud83d\\ude00"', '"\\ud83d"', '"\x7f"', '"\x01"', '"{[{["',
    '"\u2028"', '"\\u00e9"', '"\\b\\f\\u001F"', '"e1e16"', '"..a"', '"a..b"', '"-_."', '"a\\n"',
    *(f'"{c * n}"' for c in "a😀" for n in (127, 128, 129, 255, 256, 257)),
]  # fmt: skip
NUMBERS = [
    "0",
    "-0",
    "1",
    "1.0",
    "1.50",
    "-1.5e3",
    "1e2",
    "1E5",
    "1e16",
    "1e+16",
    "1e-7",
    "0.000001",
    "1e400",
    "0.1",
    "-0.0",
    "5e-324",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "123456789012345678901",
    "1.7976931348623157e308",
    "12345678901234567890.5",
    "1.00000000000000000001",
    "01",
    "1.",
    ".5",
    "+1",
    "NaN",
    "Infinity",
    "-Infinity",
]
TIMES = [
    "2026-11-23T17:30:00.123Z",
    "2026-11-23T17:30:00Z",
    "2026-11-23T17:30:00.1234Z",
    "2026-11-24T17:30:00.000Z",
    "2026-11-24T17:30:00.001Z",
    "2026-11-24T17:29:59.999Z",
    "2026-11-24T17:29:58.999Z",
    "2000-01-01T00:00:00.000Z",
    "1999-12-31T23:59:59.999Z",
    "2026-02-29T00:00:00.000Z",
    "2024-02-29T00:00:00.000Z",
    "2026-11-23T24:00:00.000Z",
    "2026-11-23T23:59:60.000Z",
    "2026-11-22T23:59:60.000Z",
    "2026-11-23t17:30:00.123z",
    "2026-11-23T17:30:00.123+01:00",
    "2026-11-23T17:30:00.123",
    "2026-11-23T17:30:00,123Z",
    "2026-1a-23T17:30:00.123Z",
    "٢٠٢٦-11-23T17:30:00.123Z",
    "2026-11-23T17:30:0a.123Z",
    "2026-W47-1T17:30:00.123Z",
    "2026-11-23T17:29:58.000Z",
    "2026-11-23T17:29:57.999Z",
    "2026-11-23T17:30:02.001Z",
    "2026-11-23T17:20:00.000Z",
    "2026-11-23",
    "2026-11-23 18:30:00 +0100",
    "20261123T173000Z",
    "2026-11-23T17:30Z",
]
TIMES += ["", "2026-11-23 17:30:00.123Z"]
FIELDS = ["event_id", "event_type", "user_id", "session_id", "timestamp", "properties", "sent_at"]
OTHER_FIELDS = [
    "own",
    "received_at",
    "user_agent",
    "ip_address",
    "original_timestamp",
    "event_typ\\u0065",
    "Event_Id",
    "u\N{LATIN SMALL LETTER LONG S}er_id",
    "OWN",
    "",
]


class Texts:
    """Random texts, half of them meant for the fast path."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def _maybe(self, share: float) -> bool:
        return self._chance.random() < share

    def _value(self, depth: int = 0) -> str:
        kind = self._chance.random()
        if kind < 0.4:
            return self._chance.choice(STRINGS)
        if kind < 0.7:
            return self._chance.choice(NUMBERS)
        if kind < 0.85 or depth > 2:
            return self._chance.choice(["true", "false", "null"])
        if self._maybe(0.1):
            levels = self._chance.choice([61, 62, 63, 64, 65, 1100])
            return "[" * levels + "]" * levels
        inner = [self._value(depth + 1) for _ in range(self._chance.randrange(4))]
        if self._maybe(0.5):
            return f"[{','.join(inner)}]"
        return self._object([(self._chance.choice("abc"), each) for each in inner])

    def _object(self, fields: list[tuple[str, str]]) -> str:
        comma, colon = self._chance.choice([(",", ":")] * 4 + [(", ", ": "), (" ,\n", "\t:")])
        return "{" + comma.join(f'"{name}"{colon}{value}' for name, value in fields) + "}"

    def _plain(self, name: str) -> str:
        if name in {"timestamp", "sent_at"}:
            return f'"{self._chance.choice(TIMES[:1] * 9 + TIMES)}"'
        if name == "properties":
            levels = self._chance.randrange(60, 66)
            deep = "[" * levels + "]" * levels
            kinds = ['"x"', "1", "1.5", "true", "null", "[1,2]", '{"b":1}', deep]
            names = self._chance.sample("abcd", self._chance.randrange(4))
            return self._object([(each, self._chance.choice(kinds)) for each in names])
        return f'"{self._chance.choice(["a", "page_view", "u-17", "k3j9x2lq8mz1a0"])}"'

    def event(self) -> str:
        names = [name for name in FIELDS if name == "event_type" or self._maybe(0.5)]
        if self._maybe(0.1):
            names.append(self._chance.choice(OTHER_FIELDS + FIELDS))
        if self._maybe(0.2):
            self._chance.shuffle(names)
        is_odd = self._maybe(0.5)
        return self._object(
            [(n, self._value() if is_odd and self._maybe(0.2) else self._plain(n)) for n in names]
        )

    def text(self) -> tuple[bytes, bool]:
        """Return a text, and True if it is meant as an array."""
        is_array = self._maybe(0.5)
        several = [self.event() for _ in range(self._chance.randrange(5))]
        text = f"[{','.join(several)}]" if is_array else self.event()
        raw = text.encode()
        if self._maybe(0.03):
            at = self._chance.randrange(len(raw))
            raw = raw[:at] + bytes([self._chance.randrange(256)]) + raw[at + 1 :]
        return raw, is_array


class Readers:
    """A reader, and one that leaves every event to the schema."""

    def __init__(self) -> None:
        self.whole = make_reader(MAX_EVENT_BYTES, 4)
        self.schema_alone = without_fast_path(make_reader(MAX_EVENT_BYTES, 4))
        self.fast_path = self.whole._fast_path

    def compare(self, text: bytes, is_array: bool, info: RequestInfo) -> str:
        """Return the kind of the text; AssertionError if the two differ."""
        found, expected = (
            outcomes(each, text, is_array, info) for each in (self.whole, self.schema_alone)
        )
        assert expected == found, text
        read = self.fast_path.several if is_array else self.fast_path.one
        if read(text, info) is not None:
            return "on the fast path"
        is_accepted = isinstance(found, list) and all(isinstance(each, Accepted) for each in found)
        return "accepted by the schema" if is_accepted else "rejected"


def outcomes(
    reader: EventReader, text: bytes, is_array: bool, info: RequestInfo
) -> list[Accepted | Rejected] | str:
    if not is_array:
        return [reader.single(text, info)]
    try:
        return reader.batch(text, info)
    except BodyError as error:
        return f"{error.code}: {error.message}"


def compare_many(seed: int, cases: int) -> Counter[str]:
    texts, readers = Texts(seed), Readers()
    return Counter(
        readers.compare(*texts.text(), INFOS[number % len(INFOS)]) for number in range(cases)
    )


@pytest.mark.parametrize("seed", range(2))
def test_the_fast_path_and_the_schema_have_the_same_result(seed: int) -> None:
    found = compare_many(seed, CASES // 2)
    assert {"on the fast path", "accepted by the schema", "rejected"} == found.keys()
    assert min(found.values()) > CASES // 20


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
    assert 2 == len(at_once(fast_path.several(b"[%b,%b]" % (text, text), INFOS[0])) or [])


def test_slow_doubles_of_a_long_array_are_left_to_orjson(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def loads(text: str) -> object:
        parsed.append(text)
        return float(text)

    monkeypatch.setattr(orjson, "loads", loads)
    fast_path = FastPath(2**18, 10, lambda: "made", lambda: NOW)
    text = b'[{"event_type":"c","properties":{"a":[%b]}}]' % b",".join([b"1e300"] * 2000)
    (accepted,) = at_once(fast_path.several(text, INFOS[0])) or []
    assert 2000 == accepted.line.count(b"1e300") + accepted.line.count(b"1e+300")
    assert ["1e300"] * 2000 == parsed


def test_one_deep_event_among_many_flat_ones_is_found() -> None:
    deep = b'{"event_type":"c","properties":{"a":%b}}' % (b"[" * 63 + b"]" * 63)
    reader = make_reader(MAX_EVENT_BYTES, 200)
    several = [b'{"event_type":"c"}'] * 100 + [deep]
    found = reader.batch(b"[%b]" % b",".join(several), INFOS[0])
    assert [Rejected] == [type(each) for each in found[-1:]]
    assert {Accepted} == {type(each) for each in found[:-1]}


def test_no_event_of_a_batch_that_is_too_large_is_read() -> None:
    made: list[str] = []

    def make() -> str:
        made.append("made")
        return "made"

    reader = EventReader(MAX_EVENT_BYTES, 4, make, lambda: NOW)
    with pytest.raises(BodyError, match="at most 4 events"):
        reader.batch(b"[%b]" % b",".join([b'{"event_type":"c"}'] * 5), INFOS[0])
    assert [] == made


if __name__ == "__main__":
    sys.stdout.write(f"{compare_many(random.randrange(2**32), int(sys.argv[1]))}\n")
