"""Segments of a journal directory, read without changing anything.

A server may be at work in the directory: it seals and deletes files while they are read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from storage.delivery.layout import NotAnEvent, address
from storage.delivery.segment_index import event_days
from storage.journal.directory import JournalDirectory
from storage.journal.record import MAX_TEXT_BYTES, CorruptRange, scan
from storage.journal.segment import SegmentName


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A segment's name, and its size in bytes when the directory was read."""

    name: SegmentName
    size: int

    @property
    def is_open(self) -> bool:
        """True if a server may still append to it."""
        return self.name.events is None


def is_journal(directory: JournalDirectory) -> bool:
    """Return True if a directory looks like a journal's; OSError if it cannot be read."""
    # Present in a server's directory and a copy of it, even without any segment.
    signs = (directory.lock, directory.staged, directory.quarantine)
    has_segments = segment_files(directory) or directory.segments_of_format_1()
    return any(path.exists() for path in signs) or bool(has_segments)


def segment_files(directory: JournalDirectory) -> list[SegmentFile]:
    """Return every segment, the oldest first; OSError if the directory cannot be read."""
    found = [SegmentFile(name, size) for name, size in directory.segments()]
    return sorted(found, key=lambda file: (file.name.id, file.is_open))


def open_segment(
    directory: JournalDirectory, name: SegmentName
) -> tuple[SegmentName, BinaryIO] | None:
    """Return a segment's present name and its contents; None if it was delivered meanwhile."""
    for each in (name, *_sealed_since(directory, name)):
        try:
            return each, directory.fs.open_read(directory.segment(each))
        except FileNotFoundError:
            continue
    return None


def _sealed_since(directory: JournalDirectory, name: SegmentName) -> Iterator[SegmentName]:
    for file in segment_files(directory):
        if file.name.id == name.id and file.name != name:
            yield file.name


@dataclass(frozen=True, slots=True)
class Events:
    """The events of a record, and the number of bytes of the whole record."""

    lines: list[bytes]
    size: int


def read_events(stream: BinaryIO, name: SegmentName) -> Iterator[Events | CorruptRange]:
    """Yield the events of each record and the corrupt ranges, lines without an event included.

    An open segment is read up to its present end.
    """
    for piece in scan(stream, name.checksum_seed):
        if isinstance(piece, CorruptRange):
            yield piece
            continue
        days = list(event_days(piece))
        good = [line for line, day in zip(piece.lines, days, strict=True) if isinstance(day, str)]
        yield Events(good, piece.size)
        yield from (each for each in days if isinstance(each, CorruptRange))


def unproven_events(stream: BinaryIO, corrupt: CorruptRange) -> Iterator[bytes]:
    """Yield the lines of a corrupt range that still are events.

    No checksum proves them: a wrong byte in a text is not noticed. The stream's position stays.
    """
    position = stream.tell()
    left = corrupt.length
    stream.seek(corrupt.offset)
    while left and (line := stream.readline(min(left, MAX_TEXT_BYTES))):
        left -= len(line)
        if line.endswith(b"\n") and _is_event(line):
            yield line[:-1]
    stream.seek(position)


def _is_event(line: bytes) -> bool:
    try:
        address(line)
    except NotAnEvent:
        return False
    return True
