"""Segments that are read while a server writes them."""

import io

from journal_tools.reading import read_events, up_to_present_end
from storage.journal.record import CorruptRange, Record, encode
from tests.storage.segments import (
    NAME,
    events,
)

LINES = events(5)


class Growing(io.BytesIO):
    """A file to which a line is finished, and others added, after half of it was read."""

    def __init__(self, whole: bytes, visible: int) -> None:
        super().__init__(whole[:visible])
        self._rest = whole[visible:]

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if line and not line.endswith(b"\n"):
            self.grow()
        return line

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


def test_a_line_that_is_being_written_is_torn_and_not_corrupt() -> None:
    whole = encode(LINES, NAME.checksum_seed)
    visible = len(encode(LINES[:2], NAME.checksum_seed)) + 20
    found = list(read_events(up_to_present_end(Growing(whole, visible)), NAME))
    assert LINES[:2] == [each.line for each in found if isinstance(each, Record)]
    assert [True] == [each.at_end for each in found if isinstance(each, CorruptRange)]
