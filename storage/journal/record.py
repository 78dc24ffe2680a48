"""Records: one event and its checksum as one line (`FORMAT.md`, "Records")."""

import io
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import BinaryIO

MAX_RECORD_BYTES = 16 * 1024 * 1024

# 8 hex digits and a space come before the event, a newline after it.
_HEAD_BYTES = 9
RECORD_OVERHEAD_BYTES = _HEAD_BYTES + 1
# Some tens of events of usual size are checked at once.
_BLOCK_BYTES = 16 * 1024
_HEX_DIGITS = frozenset(b"0123456789abcdef")
_EVENT_START = re.compile(rb'[0-9a-f]{8} \{"')


@dataclass(frozen=True, slots=True)
class Record:
    """A valid record: its offset in bytes, and its event."""

    offset: int
    line: bytes

    @property
    def end(self) -> int:
        """The offset of the byte after the record."""
        return self.offset + _HEAD_BYTES + len(self.line) + 1


@dataclass(frozen=True, slots=True)
class Run:
    """Adjacent valid records: the offset of the first in bytes, and their events."""

    offset: int
    lines: list[bytes]

    def offsets(self) -> list[int]:
        """Return the offset of each record."""
        sizes = (len(line) + RECORD_OVERHEAD_BYTES for line in self.lines[:-1])
        return list(accumulate(sizes, initial=self.offset))


@dataclass(frozen=True, slots=True)
class CorruptRange:
    """Adjacent bytes that hold no valid record; `at_end` if no valid record follows."""

    offset: int
    length: int
    cause: str
    at_end: bool
    has_whole_line: bool


def encode(lines: Iterable[bytes], seed: int) -> bytes:
    """Return the records of `lines`, each of which is an event's JSON without a newline."""
    return b"".join([b"%08x %b\n" % (zlib.crc32(line, seed), line) for line in lines])


def decode(raw: bytes, seed: int) -> bytes | str:
    """Return the event of a segment's line, newline included, or why it is not a record."""
    if not raw.endswith(b"\n"):
        return "the line does not end"
    if len(raw) < _HEAD_BYTES + 1 or raw[8] != 0x20 or not _HEX_DIGITS.issuperset(raw[:8]):
        return "the line does not begin with a checksum"
    line = raw[_HEAD_BYTES:-1]
    if zlib.crc32(line, seed) != int(raw[:8], 16):
        return "the checksum does not match"
    return line


def scan(stream: BinaryIO, seed: int) -> Iterator[Record | CorruptRange]:
    """Yield every record of a segment in order, and the corrupt ranges between and after them.

    `stream` is at the segment's first byte. Memory is bounded by the longest record.
    """
    for piece in scan_runs(stream, seed):
        if isinstance(piece, CorruptRange):
            yield piece
        else:
            yield from map(Record, piece.offsets(), piece.lines)


def scan_runs(stream: BinaryIO, seed: int) -> Iterator[Run | CorruptRange]:
    """Yield the same as `scan`, many records at a time, at a third of its cost."""
    offset = 0
    while block := stream.read(_BLOCK_BYTES):
        if not block.endswith(b"\n"):
            block += stream.readline(MAX_RECORD_BYTES - _BLOCK_BYTES)
        lines = _decode_all(block, seed)
        if lines is None:
            yield from _scan_one_by_one(_raw_lines(block, stream), seed, offset)
            return
        yield Run(offset, lines)
        offset += len(block)


def _decode_all(block: bytes, seed: int) -> list[bytes] | None:
    """Return the events of a block of valid records, or None if a part of it is invalid."""
    lines = [raw[_HEAD_BYTES:] for raw in block[:-1].split(b"\n")]
    return lines if encode(lines, seed) == block else None


def _raw_lines(block: bytes, stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of `block` and of the rest of `stream`, cut at the maximum length."""
    head = io.BytesIO(block)
    while raw := head.readline(MAX_RECORD_BYTES):
        if not raw.endswith(b"\n"):
            raw += stream.readline(MAX_RECORD_BYTES - len(raw))
        yield raw
    while raw := stream.readline(MAX_RECORD_BYTES):
        yield raw


def _scan_one_by_one(
    raw_lines: Iterable[bytes], seed: int, offset: int
) -> Iterator[Run | CorruptRange]:
    bad: CorruptRange | None = None
    for raw in raw_lines:
        decoded = decode(raw, seed)
        if isinstance(decoded, str):
            start, line = _behind_bad_bytes(raw, seed)
            bad = _grown(bad, offset, raw[:start], decoded)
        else:
            start, line = 0, decoded
        if line is not None:
            if bad is not None:
                yield bad
                bad = None
            yield Run(offset + start, [line])
        offset += len(raw)
    if bad is not None:
        yield CorruptRange(bad.offset, bad.length, bad.cause, True, bad.has_whole_line)


# A record whose newline is corrupt must not cost the valid record after it.
def _behind_bad_bytes(raw: bytes, seed: int) -> tuple[int, bytes | None]:
    """Return the length of the corrupt start of a line, and the event of the record after it."""
    for match in _EVENT_START.finditer(raw, 1):
        line = decode(raw[match.start() :], seed)
        if isinstance(line, bytes):
            return match.start(), line
    return len(raw), None


def _grown(bad: CorruptRange | None, offset: int, raw: bytes, cause: str) -> CorruptRange:
    ended = raw.endswith(b"\n")
    if bad is None:
        return CorruptRange(offset, len(raw), cause, False, ended)
    length = bad.length + len(raw)
    return CorruptRange(bad.offset, length, bad.cause, False, bad.has_whole_line or ended)
