import gzip
import zlib

import pytest

from storage.delivery import layout
from storage.delivery.layout import (
    Address,
    NotAnEvent,
    address,
    batch_key,
    compress,
    event_key,
    is_batched,
)
from storage.journal.segment import KeyRules
from tests.storage.segments import SEGMENT_ID, events


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
def test_an_event_says_where_it_belongs(line: bytes, expected: Address) -> None:
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


CHUNK = layout._CHUNK_LINES
SIZES = [0, 1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1]


@pytest.mark.parametrize("count", SIZES)
def test_a_batch_unpacks_to_one_event_a_line(count: int) -> None:
    expected = b"".join(line + b"\n" for line in events(count))
    assert expected == gzip.decompress(b"".join(compress(events(count))))


@pytest.mark.parametrize("count", SIZES)
def test_the_same_events_give_the_same_bytes(count: int) -> None:
    lines = events(count)
    assert b"".join(compress(lines)) == b"".join(compress(iter(lines)))


def test_a_batch_is_one_gzip_member_without_time_or_name() -> None:
    body = b"".join(compress(events(3)))
    method, flags, time = body[2], body[3], body[4:8]
    assert (8, 0, bytes(4)) == (method, flags, time)
    unpacker = zlib.decompressobj(31)
    unpacker.decompress(body)
    assert unpacker.eof
    assert unpacker.unused_data == b""


def test_a_batch_is_made_as_it_is_read() -> None:
    lines = iter(events(3 * CHUNK))
    next(compress(lines))
    assert sum(1 for _ in lines) == 2 * CHUNK
