"""Segments of a journal directory, read without changing anything.

A server may be at work in the directory: it seals and deletes files while they are read.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from storage.delivery import layout
from storage.journal.directory import JournalDirectory
from storage.journal.record import CorruptRange, Record, scan
from storage.journal.segment import SegmentName

_BUFFER_BYTES = 256 * 1024


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
    return any(path.exists() for path in signs) or bool(segment_files(directory))


def segment_files(directory: JournalDirectory) -> list[SegmentFile]:
    """Return every segment, the oldest first; OSError if the directory cannot be read."""
    found = [SegmentFile(name, size) for name, size in directory.segments()]
    return sorted(found, key=lambda file: (file.name.id, file.is_open))


def open_segment(
    directory: JournalDirectory, name: SegmentName
) -> tuple[SegmentName, BinaryIO] | None:
    """Return a segment's present name and its contents; None if it was delivered meanwhile.

    An open segment is read up to its present end: later appends are not read.
    """
    for each in (name, *_sealed_since(directory, name)):
        try:
            stream = directory.fs.open_read(directory.segment(each))
        except FileNotFoundError:
            continue
        return each, stream if each.events is not None else up_to_present_end(stream)
    return None


def up_to_present_end(stream: BinaryIO) -> BinaryIO:
    """Return a file up to its present end.

    Otherwise a line that was read while it was half written would be followed by its other half and
    by valid records, and look corrupt.
    """
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    return io.BufferedReader(_Beginning(stream, size), _BUFFER_BYTES)


class _Beginning(io.RawIOBase):
    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = self._stream.read(min(len(buffer), self._left))
        buffer[: len(read)] = read
        self._left -= len(read)
        return len(read)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _sealed_since(directory: JournalDirectory, name: SegmentName) -> Iterator[SegmentName]:
    for file in segment_files(directory):
        if file.name.id == name.id and file.name != name:
            yield file.name


def read_events(stream: BinaryIO, name: SegmentName) -> Iterator[Record | CorruptRange]:
    """Yield the events of a segment and its corrupt ranges, records without an event included."""
    for piece in scan(stream, name.checksum_seed):
        yield _checked(piece) if isinstance(piece, Record) else piece


def _checked(record: Record) -> Record | CorruptRange:
    try:
        layout.address(record.line)
    except layout.NotAnEvent as error:
        length = record.end - record.offset
        return CorruptRange(record.offset, length, str(error), at_end=False, has_whole_line=True)
    return record
