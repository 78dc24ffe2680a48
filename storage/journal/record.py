"""Records: events that became durable together, under checksums (`FORMAT.md`, "Records")."""

import io
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import BinaryIO

MAX_TEXT_BYTES = 16 * 1024 * 1024
EVENTS_PER_RECORD = 64
HEAD_BYTES = 30

# An event of more than this has a record of its own, so that those of 64 events stay small.
_LARGE_BYTES = 16 * 1024
_WINDOW_BYTES = 1024 * 1024

_HEAD = re.compile(rb"([0-9a-f]{8}) ((\d{8}) (0[1-9]|[1-5]\d|6[0-4]) ([0-9a-f]{8}))\n")


@dataclass(frozen=True, slots=True)
class Record:
    """A valid record: its offset in bytes, the number of its events, and their lines."""

    offset: int
    events: int
    text: bytes

    @property
    def size(self) -> int:
        """The number of bytes from its head to its last newline."""
        return HEAD_BYTES + len(self.text)

    @property
    def end(self) -> int:
        """The offset of the byte after the record."""
        return self.offset + self.size

    @property
    def lines(self) -> list[bytes]:
        """Its events, each without a newline."""
        return self.text[:-1].split(b"\n")

    @property
    def places(self) -> range:
        """The place of each event in the segment: a number that no other event has."""
        start = self.offset * EVENTS_PER_RECORD
        return range(start, start + self.events)

    def text_at(self, places: Sequence[int]) -> bytes:
        """Return the lines at some of its places, each with its newline."""
        if len(places) == self.events:
            return self.text
        return b"\n".join([*self.lines_at(places), b""])

    def lines_at(self, places: Sequence[int]) -> list[bytes]:
        """Return the events at some of its places."""
        lines = self.lines
        return [lines[place % EVENTS_PER_RECORD] for place in places]


@dataclass(frozen=True, slots=True)
class CorruptRange:
    """Adjacent bytes that hold no valid record; `at_end` if no valid record follows.

    With `is_unfinished`, they are what a write that was interrupted leaves at the end.
    """

    offset: int
    length: int
    cause: str
    at_end: bool = False
    is_unfinished: bool = False


@dataclass(frozen=True, slots=True)
class Invalid:
    """The reason why no record is at an offset; `is_cut` if a valid head has too few lines."""

    cause: str
    is_cut: bool = False


def encode(lines: Sequence[bytes], seed: int) -> bytes:
    """Return the records of `lines`, each of which is an event's JSON without a newline."""
    return b"".join([part for group in _groups(lines) for part in _record(group, seed)])


def encoded_size(sizes: Sequence[int]) -> int:
    """Return an upper bound of the size that events of these sizes take, alone or in a group.

    It is exact for events of one request without large ones.
    """
    heads = -(-len(sizes) // EVENTS_PER_RECORD)
    if max(sizes, default=0) > _LARGE_BYTES:
        # A large event is a record of its own, and ends the one before it.
        heads += 2 * sum(size > _LARGE_BYTES for size in sizes)
    return heads * HEAD_BYTES + sum(sizes) + len(sizes)


def _groups(lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    if max(map(len, lines), default=0) > _LARGE_BYTES:
        for is_large, run in groupby(lines, lambda line: len(line) > _LARGE_BYTES):
            yield from _slices(list(run), 1 if is_large else EVENTS_PER_RECORD)
    else:
        yield from _slices(lines, EVENTS_PER_RECORD)


def _slices(lines: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    return (lines[start : start + size] for start in range(0, len(lines), size))


def _record(lines: Sequence[bytes], seed: int) -> tuple[bytes, bytes]:
    text = b"\n".join([*lines, b""])
    facts = b"%08d %02d %08x" % (len(text), len(lines), zlib.crc32(text))
    return b"%08x %b\n" % (zlib.crc32(facts, seed), facts), text


def scan(stream: BinaryIO, seed: int) -> Iterator[Record | CorruptRange]:
    """Yield every record of a segment in order, and the corrupt ranges between and after them.

    What is appended after the first step is not read. Memory is bounded by the longest record.
    """
    size = stream.seek(0, io.SEEK_END)
    offset = stream.seek(0)
    while offset < size:
        found = read_record(stream, offset, size, seed)
        if isinstance(found, Invalid):
            end, has_newline = _find_record(stream, offset, size, seed)
            at_end = end == size
            is_unfinished = at_end and (found.is_cut or not has_newline)
            yield CorruptRange(offset, end - offset, found.cause, at_end, is_unfinished)
            offset = stream.seek(end)
        else:
            yield found
            offset = found.end


def read_record(stream: BinaryIO, offset: int, size: int, seed: int) -> Record | Invalid:
    """Read the record at an offset, where the stream is, of a segment of `size` bytes."""
    match = _HEAD.fullmatch(stream.read(HEAD_BYTES))
    if match is None or not _is_head(match, seed):
        return Invalid("the head of a record is invalid")
    length, events = int(match[3]), int(match[4])
    end = offset + HEAD_BYTES + length
    text = stream.read(length) if end <= size else b""
    if len(text) < length:
        return Invalid("the record does not end", is_cut=True)
    if zlib.crc32(text) != int(match[5], 16):
        return Invalid("the checksum of the lines does not match")
    if text.count(b"\n") != events or not text.endswith(b"\n"):
        return Invalid("the record has not as many lines as its head says")
    return Record(offset, events, text)


def _is_head(match: "re.Match[bytes]", seed: int) -> bool:
    return zlib.crc32(match[2], seed) == int(match[1], 16) and int(match[3]) <= MAX_TEXT_BYTES


def _find_record(stream: BinaryIO, offset: int, size: int, seed: int) -> tuple[int, bool]:
    """Return the offset of the next valid record after an offset, else `size`.

    Also return True if a newline is in the bytes before it.
    """
    has_newline = False
    while True:
        stream.seek(offset)
        window = stream.read(min(_WINDOW_BYTES, size - offset))
        for match in _HEAD.finditer(window, 1):
            found = stream.seek(offset + match.start())
            if _is_head(match, seed) and isinstance(read_record(stream, found, size, seed), Record):
                return found, True
        has_newline = has_newline or b"\n" in window
        if len(window) < _WINDOW_BYTES:
            return size, has_newline
        offset += len(window) - HEAD_BYTES
