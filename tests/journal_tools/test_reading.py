"""Segments that are read while a server writes them, and corrupt ranges."""

import io

from journal_tools.reading import Events, read_events, unproven_events
from storage.journal.record import CorruptRange, encode
from tests.storage.segments import NAME, SEED, events

LINES = events(5)


class Growing(io.BytesIO):
    """A file to which a record is finished, and others added, after a part of it was read."""

    def __init__(self, whole: bytes, visible: int) -> None:
        super().__init__(whole[:visible])
        self._rest = whole[visible:]

    def read(self, size: int | None = -1, /) -> bytes:
        chunk = super().read(size)
        self.grow()
        return chunk

    def grow(self) -> None:
        at = self.tell()
        self.seek(0, io.SEEK_END)
        self.write(self._rest)
        self.seek(at)
        self._rest = b""


def test_a_record_that_is_being_written_is_torn_and_not_corrupt() -> None:
    first = encode(LINES[:2], SEED)
    whole = first + encode(LINES[2:4], SEED) + encode(LINES[4:], SEED)
    for visible in range(len(first) + 1, len(first) + 100):
        found = list(read_events(Growing(whole, visible), NAME))
        assert [LINES[:2]] == [each.lines for each in found if isinstance(each, Events)]
        ranges = [each for each in found if isinstance(each, CorruptRange)]
        expected = (visible, len(first), True)
        assert [expected] == [
            (each.offset + each.length, each.offset, each.at_end) for each in ranges
        ]


def test_the_sizes_of_records_and_corrupt_ranges_add_up() -> None:
    raw = encode(LINES, SEED) + b"noise" + encode(events(80), SEED)
    found = list(read_events(io.BytesIO(raw), NAME))
    sizes = [each.size if isinstance(each, Events) else each.length for each in found]
    assert len(raw) == sum(sizes)


def test_the_lines_of_a_corrupt_record_that_still_are_events_are_found() -> None:
    before, after = encode(events(2), SEED), encode(events(1), SEED)
    corrupt = encode(LINES, SEED).replace(b'"e2"', b'"e2')
    stream = io.BytesIO(before + corrupt + after)
    _, piece, _ = read_events(stream, NAME)
    assert isinstance(piece, CorruptRange)
    stream.seek(7)
    assert [*LINES[:2], *LINES[3:]] == list(unproven_events(stream, piece))
    assert 7 == stream.tell()


def test_a_line_that_is_cut_is_no_event() -> None:
    raw = encode(LINES, SEED)[:-1]
    (piece,) = read_events(io.BytesIO(raw), NAME)
    assert isinstance(piece, CorruptRange)
    assert LINES[:4] == list(unproven_events(io.BytesIO(raw), piece))
