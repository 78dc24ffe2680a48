"""Segments of a journal directory, read without changing anything.

A server may be at work in the directory: files are sealed and deleted while they are looked at.
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
    """A segment's name and its length in bytes when the directory was read."""

    name: SegmentName
    size: int

    @property
    def is_open(self) -> bool:
        """Whether it may still be appended to."""
        return self.name.events is None


def is_journal(directory: JournalDirectory) -> bool:
    """Whether a directory looks like a journal's; OSError if it cannot be read."""
    # What a server or a copy of its directory has, even when nothing is on its way.
    signs = (directory.lock, directory.staged, directory.quarantine)
    return any(path.exists() for path in signs) or bool(segment_files(directory))


def segment_files(directory: JournalDirectory) -> list[SegmentFile]:
    """Every segment, the oldest first; OSError if the directory cannot be read."""
    found = [SegmentFile(name, size) for name, size in directory.segments()]
    return sorted(found, key=lambda file: (file.name.id, file.is_open))


def open_segment(
    directory: JournalDirectory, name: SegmentName
) -> tuple[SegmentName, BinaryIO] | None:
    """A segment's contents, under the name that it has now; None if it was delivered meanwhile.

    Of one that is open, what it holds now: what is appended while it is read is not looked at.
    """
    for each in (name, *_sealed_since(directory, name)):
        try:
            stream = directory.fs.open_read(directory.segment(each))
        except FileNotFoundError:
            continue
        return each, stream if each.events is not None else as_it_is_now(stream)
    return None


def as_it_is_now(stream: BinaryIO) -> BinaryIO:
    """A file up to its present end.

    Half of a line, read before the writer was done with it, would else be followed by the other
    half and by good records: that looks like damage.
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


def pieces(stream: BinaryIO, name: SegmentName) -> Iterator[Record | CorruptRange]:
    """Its events, and what cannot be delivered: what lies between records, records of no event."""
    for piece in scan(stream, name.checksum_seed):
        yield _checked(piece) if isinstance(piece, Record) else piece


def _checked(record: Record) -> Record | CorruptRange:
    try:
        layout.address(record.line)
    except layout.NotAnEvent as error:
        length = record.end - record.offset
        return CorruptRange(record.offset, length, str(error), at_end=False, has_whole_line=True)
    return record
