import io
from bisect import bisect
from collections.abc import Iterable
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.journal.record import (
    MAX_RECORD_BYTES,
    RECORD_OVERHEAD_BYTES,
    CorruptRange,
    Record,
    decode,
    encode,
    scan,
)
from tests.storage.segments import SEED, events

OTHER_SEED = SEED ^ 1
HEAD_BYTES = 9

any_line = st.binary(max_size=200).map(lambda raw: raw.replace(b"\n", b" "))
json_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)


def pieces(raw: bytes, seed: int = SEED) -> list[Record | CorruptRange]:
    return list(scan(io.BytesIO(raw), seed))


def found(raw: bytes, seed: int = SEED) -> list[bytes]:
    return [piece.line for piece in pieces(raw, seed) if isinstance(piece, Record)]


def bad(raw: bytes, seed: int = SEED) -> list[CorruptRange]:
    return [piece for piece in pieces(raw, seed) if isinstance(piece, CorruptRange)]


def padded(size: int) -> bytes:
    """Return a line whose record takes `size` bytes."""
    return b"x" * (size - HEAD_BYTES - 1)


@given(st.lists(any_line), st.integers(0, 0xFFFFFFFF))
def test_encoded_records_are_scanned_unmodified(lines: list[bytes], seed: int) -> None:
    assert lines == found(encode(lines, seed), seed)


@given(st.lists(any_line))
def test_records_lie_end_to_end_without_gaps(lines: list[bytes]) -> None:
    raw = encode(lines, SEED)
    ends = [0]
    for piece in pieces(raw):
        assert isinstance(piece, Record)
        assert ends[-1] == piece.offset
        ends.append(piece.end)
    assert len(raw) == ends[-1]


@given(st.lists(any_line), st.lists(any_line))
def test_groups_that_are_appended_read_as_one(first: list[bytes], second: list[bytes]) -> None:
    assert encode(first + second, SEED) == encode(first, SEED) + encode(second, SEED)


@given(any_line)
def test_a_record_of_another_segment_is_invalid(line: bytes) -> None:
    assert decode(encode([line], OTHER_SEED), SEED) == "the checksum does not match"


@given(st.binary(max_size=300))
def test_records_and_corrupt_ranges_cover_any_bytes_exactly_once(raw: bytes) -> None:
    spans = [
        (piece.offset, piece.end if isinstance(piece, Record) else piece.offset + piece.length)
        for piece in pieces(raw)
    ]
    assert raw == b"".join(raw[start:end] for start, end in spans)


@given(st.binary(min_size=1, max_size=80), json_text)
def test_bytes_that_run_into_a_valid_record_do_not_cost_it(noise: bytes, text: str) -> None:
    line = b'{"event_id":"%b"}' % text.replace('"', "'").replace("\\", "/").encode()
    assert found(noise + encode([line], SEED))[-1:] == [line]


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        (b"", "the line does not end"),
        (b"73ffe409 {}", "the line does not end"),
        (b"\n", "the line does not begin with a checksum"),
        (b"73ffe409\n", "the line does not begin with a checksum"),
        (b"73ffe409_{}\n", "the line does not begin with a checksum"),
        (b"73FFE409 {}\n", "the line does not begin with a checksum"),
        (b"+3ffe409 {}\n", "the line does not begin with a checksum"),
        (b" 73ffe40 {}\n", "the line does not begin with a checksum"),
        (b"0x73ffe4 {}\n", "the line does not begin with a checksum"),
        (b"\0" * 40 + b"\n", "the line does not begin with a checksum"),
        (b"73ffe409 {}\n", "the checksum does not match"),
    ],
)
def test_the_cause_of_an_invalid_line_is_returned(raw: bytes, cause: str) -> None:
    assert cause == decode(raw, SEED)


def test_an_empty_line_has_a_record() -> None:
    assert [b""] == found(encode([b""], SEED))


def test_adjacent_invalid_lines_are_one_range_with_the_first_cause() -> None:
    good = encode(events(1), SEED)
    stale = encode(events(2), OTHER_SEED)
    expected = CorruptRange(len(good), len(stale) + 4, "the checksum does not match", False, True)
    assert [expected] == bad(good + stale + b"???\n" + good)


def test_corrupt_ranges_with_a_record_between_them_are_two() -> None:
    good = encode(events(1), SEED)
    raw = b"?\n" + good + b"??\n"
    spans = [(piece.offset, piece.length, piece.at_end) for piece in bad(raw)]
    assert [(0, 2, False), (2 + len(good), 3, True)] == spans


@pytest.mark.parametrize(
    ("tail", "has_whole_line"), [(b"ab", False), (b"\0" * 5000, False), (b"a\nb", True)]
)
def test_a_corrupt_range_knows_if_a_line_ends_in_it(tail: bytes, has_whole_line: bool) -> None:
    expected = (True, has_whole_line)
    assert [expected] == [(piece.at_end, piece.has_whole_line) for piece in bad(tail)]


def test_the_longest_record_is_read() -> None:
    line = padded(MAX_RECORD_BYTES)
    raw = encode([line, b"after"], SEED)
    assert len(encode([line], SEED)) == MAX_RECORD_BYTES
    assert [line, b"after"] == found(raw)


@pytest.mark.parametrize("excess", [1, 2, 100, MAX_RECORD_BYTES])
def test_a_line_that_is_too_long_is_one_corrupt_range_between_its_neighbours(excess: int) -> None:
    first, long = encode([b"before"], SEED), padded(MAX_RECORD_BYTES + excess)
    raw = first + encode([long, b"after"], SEED)
    assert [b"before", b"after"] == found(raw)
    spans = [(piece.offset, piece.length) for piece in bad(raw)]
    assert [(len(first), MAX_RECORD_BYTES + excess)] == spans


class _Counting(io.BytesIO):
    asked: int = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        self.asked = max(self.asked, -1 if size is None else size)
        return super().readline(size)


def _zeros(blocks: int) -> Iterable[bytes]:
    return [b"\0" * MAX_RECORD_BYTES] * blocks


def test_no_more_than_one_longest_record_is_read_at_once() -> None:
    stream = _Counting(b"".join(_zeros(2)))
    assert [2 * MAX_RECORD_BYTES] == [
        piece.length for piece in scan(stream, SEED) if isinstance(piece, CorruptRange)
    ]
    assert stream.asked == MAX_RECORD_BYTES


@given(st.integers(0, 400), st.integers(0, 40_000), st.integers(0, 255))
def test_one_wrong_byte_costs_one_record_wherever_blocks_begin(
    count: int, position: int, value: int
) -> None:
    lines = events(count)
    raw = bytearray(encode(lines, SEED))
    if position < len(raw):
        raw[position] = value
    hit = bisect(list(accumulate(map(len, (encode([line], SEED) for line in lines)))), position)
    expected = [line for index, line in enumerate(lines) if index != hit]
    assert found(bytes(raw)) in (expected, lines)
    assert sum(each.length for each in bad(bytes(raw))) <= 2 * len(encode(lines[-1:], SEED))


@pytest.mark.parametrize("corrupt", range(6))
def test_a_record_after_a_lost_newline_has_its_own_offset(corrupt: int) -> None:
    lines = events(7)
    records = [encode([line], SEED) for line in lines]
    raw = bytearray(b"".join(records))
    raw[len(b"".join(records[: corrupt + 1])) - 1] = 0x20
    found = [piece for piece in scan(io.BytesIO(raw), SEED) if isinstance(piece, Record)]
    assert [line for line in lines if line != lines[corrupt]] == [each.line for each in found]
    at_offsets = [decode(bytes(raw[each.offset : each.end]), SEED) for each in found]
    assert [each.line for each in found] == at_offsets


def test_a_record_is_longer_than_its_event_by_its_overhead() -> None:
    assert RECORD_OVERHEAD_BYTES == len(encode([b"{}"], SEED)) - len(b"{}")
