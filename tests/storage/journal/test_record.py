import io
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.journal import record
from storage.journal.record import (
    EVENTS_PER_RECORD,
    HEAD_BYTES,
    MAX_TEXT_BYTES,
    CorruptRange,
    Invalid,
    Record,
    encode,
    encoded_size,
    read_record,
    scan,
)
from tests.storage.segments import SEED, alone, event, events

OTHER_SEED = SEED ^ 1

any_line = st.binary(max_size=200).map(lambda raw: raw.replace(b"\n", b" "))
any_lines = st.lists(any_line, max_size=200)


def pieces(raw: bytes, seed: int = SEED) -> list[Record | CorruptRange]:
    return list(scan(io.BytesIO(raw), seed))


def records(raw: bytes, seed: int = SEED) -> list[Record]:
    return [piece for piece in pieces(raw, seed) if isinstance(piece, Record)]


def found(raw: bytes, seed: int = SEED) -> list[bytes]:
    return [line for each in records(raw, seed) for line in each.lines]


def bad(raw: bytes, seed: int = SEED) -> list[CorruptRange]:
    return [piece for piece in pieces(raw, seed) if isinstance(piece, CorruptRange)]


def cause(raw: bytes) -> str:
    read = read_record(io.BytesIO(raw), 0, len(raw), SEED)
    assert isinstance(read, Invalid)
    return read.cause


def groups(*sizes: int) -> list[list[bytes]]:
    """Return events in groups of these sizes, each of which gets records of its own."""
    numbers = iter(range(sum(sizes)))
    return [[event(next(numbers)) for _ in range(size)] for size in sizes]


def written(lines: Sequence[Sequence[bytes]]) -> bytes:
    return b"".join(encode(group, SEED) for group in lines)


@given(any_lines, st.integers(0, 0xFFFFFFFF))
def test_encoded_records_are_scanned_unmodified(lines: list[bytes], seed: int) -> None:
    assert lines == found(encode(lines, seed), seed)


@given(any_lines)
def test_records_lie_end_to_end_without_gaps(lines: list[bytes]) -> None:
    raw = encode(lines, SEED)
    ends = [0]
    for piece in pieces(raw):
        assert isinstance(piece, Record)
        assert ends[-1] == piece.offset
        ends.append(piece.end)
    assert len(raw) == ends[-1]


@given(any_lines, any_lines)
def test_appended_groups_are_read_in_order(first: list[bytes], second: list[bytes]) -> None:
    assert first + second == found(encode(first, SEED) + encode(second, SEED))


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, []), (1, [1]), (64, [64]), (65, [64, 1]), (200, [64, 64, 64, 8])],
)
def test_a_record_has_at_most_64_events(count: int, expected: list[int]) -> None:
    assert EVENTS_PER_RECORD == 64
    assert expected == [each.events for each in records(encode(events(count), SEED))]


LARGE = record._LARGE_BYTES


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([LARGE], [1]),
        ([LARGE] * 64, [64]),
        ([LARGE + 1] * 3, [1, 1, 1]),
        ([1, LARGE + 1, 1, 1], [1, 1, 2]),
        ([*[1] * 70, LARGE + 1], [64, 6, 1]),
    ],
)
def test_a_large_event_has_a_record_of_its_own(sizes: list[int], expected: list[int]) -> None:
    lines = [b"x" * size for size in sizes]
    raw = encode(lines, SEED)
    assert lines == found(raw)
    assert expected == [each.events for each in records(raw)]


@given(any_lines)
def test_the_encoded_size_is_known_beforehand(lines: list[bytes]) -> None:
    assert len(encode(lines, SEED)) == encoded_size(list(map(len, lines)))


@given(st.lists(st.lists(st.sampled_from([0, LARGE, LARGE + 1]), max_size=70), max_size=5))
def test_the_encoded_size_of_a_group_is_never_estimated_too_low(sizes: list[list[int]]) -> None:
    size = len(encode([b"x" * size for each in sizes for size in each], SEED))
    estimate = sum(map(encoded_size, sizes))
    most_heads = len(sizes) + 2 * sum(each.count(LARGE + 1) for each in sizes)
    assert size <= estimate <= size + most_heads * HEAD_BYTES


@pytest.mark.parametrize("size", [1, 2, 63, 64])
def test_each_event_has_a_place_from_which_it_is_found(size: int) -> None:
    raw = written(groups(3, size, 5))
    places: list[int] = []
    for each in records(raw):
        places += each.places
        assert each.lines == [each.lines_at([place])[0] for place in each.places]
        assert each.text == each.text_at(list(each.places))
        assert each.lines[-1] + b"\n" == each.text_at([each.places[-1]])
        assert [each.offset] * each.events == [place // 64 for place in each.places]
    assert 8 + size == len(set(places))
    assert sorted(places) == places


def test_a_record_of_another_segment_is_invalid() -> None:
    assert cause(encode(events(1), OTHER_SEED)) == "the head of a record is invalid"


@given(st.binary(max_size=300))
def test_records_and_corrupt_ranges_cover_any_bytes_exactly_once(raw: bytes) -> None:
    raw += encode(events(2), SEED) + raw
    spans = [
        (piece.offset, piece.end if isinstance(piece, Record) else piece.offset + piece.length)
        for piece in pieces(raw)
    ]
    assert raw == b"".join(raw[start:end] for start, end in spans)


@given(st.binary(min_size=1, max_size=80))
def test_bytes_that_run_into_a_valid_record_do_not_cost_it(noise: bytes) -> None:
    assert events(2) == found(noise + encode(events(2), SEED))


def test_every_cut_keeps_all_whole_records_before_it() -> None:
    lines = groups(2, 5, 1, 3)
    raw = written(lines)
    ends = [0, *(each.end for each in records(raw))]
    for cut in range(len(raw) + 1):
        whole = sum(cut >= end for end in ends[1:])
        expected = [line for group in lines[:whole] for line in group]
        assert (cut, expected) == (cut, found(raw[:cut]))
        torn = [(each.offset, each.at_end, each.is_unfinished) for each in bad(raw[:cut])]
        assert (cut, [(ends[whole], True, True)] * (cut not in ends)) == (cut, torn)


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_costs_exactly_the_record_that_it_is_in(bit: int) -> None:
    lines = groups(2, 5, 1, 3)
    raw = written(lines)
    for hit, each in enumerate(records(raw)):
        expected = [line for group in lines[:hit] + lines[hit + 1 :] for line in group]
        for byte in range(each.offset, each.end):
            flipped = bytearray(raw)
            flipped[byte] ^= 1 << bit
            assert (byte, expected) == (byte, found(bytes(flipped)))
            spans = [(piece.offset, piece.length) for piece in bad(bytes(flipped))]
            assert (byte, [(each.offset, each.size)]) == (byte, spans)
            is_last = hit == len(lines) - 1
            (only,) = bad(bytes(flipped))
            assert (byte, is_last, False) == (byte, only.at_end, only.is_unfinished)


@given(st.integers(0, 30_000), st.binary(min_size=1, max_size=3000))
def test_overwritten_bytes_cost_only_the_records_that_they_are_in(at: int, noise: bytes) -> None:
    lines = groups(*[7] * 50)
    raw = written(lines)
    ours = records(raw)
    overwritten = raw[:at] + noise + raw[at + len(noise) :]
    kept = [each for each in ours if each.end <= at or each.offset >= at + len(noise)]
    expected = [line for each in kept for line in each.lines]
    if overwritten[: len(raw)] != raw:
        assert expected == [line for line in found(overwritten) if line in expected]
        assert len(found(overwritten)) <= len(expected) + 14


@pytest.mark.parametrize("moved", [b"", b"x", b"x" * 1000])
def test_records_that_have_moved_are_found(moved: bytes) -> None:
    first, second, third = (encode(group, SEED) for group in groups(3, 3, 3))
    raw = first[:-20] + moved + second + third
    assert groups(3, 3, 3)[1] + groups(3, 3, 3)[2] == found(raw)


HEAD = encode([b"{}"], SEED)[:HEAD_BYTES]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", "the head of a record is invalid"),
        (HEAD[:-1], "the head of a record is invalid"),
        (HEAD[:-1] + b" {}\n", "the head of a record is invalid"),
        (HEAD.upper() + b"{}\n", "the head of a record is invalid"),
        (b"\0" * 60, "the head of a record is invalid"),
        (HEAD, "the record does not end"),
        (HEAD + b"{}", "the record does not end"),
        (HEAD + b"[]\n", "the checksum of the lines does not match"),
    ],
)
def test_the_cause_of_an_invalid_record_is_returned(raw: bytes, expected: str) -> None:
    assert expected == cause(raw)


def test_a_line_with_a_newline_is_not_taken_for_two_events() -> None:
    assert cause(encode([b"a\nb"], SEED)) == "the record has not as many lines as its head says"


def test_an_empty_line_has_a_record() -> None:
    assert [b""] == found(encode([b""], SEED))


def test_a_number_of_bytes_is_believed_only_up_to_the_maximum() -> None:
    for size, expected in ((MAX_TEXT_BYTES, "end"), (MAX_TEXT_BYTES + 1, "head")):
        facts = b"%08d 01 00000000" % size
        head = b"%08x %b\n" % (zlib.crc32(facts, SEED), facts)
        assert (size, True) == (size, expected in cause(head + b"{}\n"))


def test_adjacent_invalid_records_are_one_range_with_the_first_cause() -> None:
    good = encode(events(1), SEED)
    stale = encode(events(2), OTHER_SEED)
    expected = CorruptRange(len(good), len(stale) + 4, "the head of a record is invalid")
    assert [expected] == bad(good + stale + b"???\n" + good)


def test_corrupt_ranges_with_a_record_between_them_are_two() -> None:
    good = encode(events(1), SEED)
    raw = b"?\n" + good + b"??\n"
    spans = [(piece.offset, piece.length, piece.at_end) for piece in bad(raw)]
    assert [(0, 2, False), (2 + len(good), 3, True)] == spans


@pytest.mark.parametrize(
    ("tail", "is_unfinished"),
    [
        (b"ab", True),
        (b"\0" * 5000, True),
        (b"a\nb", False),
        (HEAD, True),
        (HEAD + b"{", True),
        (HEAD + b"[]\n", False),
        (HEAD.replace(b" 01 ", b" 02 ") + b"{}\n", False),
        (encode([b"x" * 3_000_000], SEED)[:-1], True),
        (b"x" * 3_000_000, True),
        (b"x" * 1_000_000 + b"\n" + b"x" * 2_000_000, False),
        (b"x" * 2_500_000 + b"\n", False),
    ],
    ids=range(11),
)
def test_a_tail_that_may_be_more_than_an_interrupted_write_is_known(
    tail: bytes, is_unfinished: bool
) -> None:
    for before in (b"", encode(events(3), SEED)):
        expected = (len(before), len(tail), True, is_unfinished)
        (only,) = bad(before + tail)
        assert expected == (only.offset, only.length, only.at_end, only.is_unfinished)


def test_a_record_is_found_behind_any_amount_of_corrupt_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(record, "_WINDOW_BYTES", 100)
    for size in range(1, 400):
        raw = b"?" * size + encode([b"after"], SEED)
        assert (size, [b"after"]) == (size, found(raw))
        assert [(0, size)] == [(piece.offset, piece.length) for piece in bad(raw)]


def test_the_longest_event_is_read() -> None:
    line = b"x" * (MAX_TEXT_BYTES - 1)
    assert [line, b"after"] == found(encode([line, b"after"], SEED))


@pytest.mark.parametrize("excess", [1, 84_000_000])
def test_a_line_that_is_too_long_is_one_corrupt_range_between_its_neighbours(excess: int) -> None:
    first, long = encode([b"before"], SEED), b"x" * (MAX_TEXT_BYTES - 1 + excess)
    middle = encode([long], SEED)
    assert [b"before", b"after"] == found(first + middle + encode([b"after"], SEED))


class _Counting(io.BytesIO):
    asked: int = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.asked = max(self.asked, MAX_TEXT_BYTES + 1 if size is None or size < 0 else size)
        return super().read(size)


def test_no_more_than_one_longest_record_is_read_at_once() -> None:
    zeros = _Counting(b"\0" * (2 * MAX_TEXT_BYTES))
    (only,) = scan(zeros, SEED)
    assert isinstance(only, CorruptRange)
    assert 2 * MAX_TEXT_BYTES == only.length
    assert zeros.asked <= MAX_TEXT_BYTES


def test_events_appended_meanwhile_are_not_read() -> None:
    raw = encode(events(2), SEED)
    stream = io.BytesIO(raw)
    steps = scan(stream, SEED)
    next(steps)
    stream.write(raw)
    stream.seek(len(raw))
    assert [] == list(steps)


def test_alone_is_a_record_for_each_event() -> None:
    assert [1, 1, 1] == [each.events for each in records(alone(events(3)))]
