"""Segments of a journal directory, read without changing anything.

A server may be at work in the directory: files are sealed and deleted while they are looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from storage.filesystem import FileSystem
from storage.record import BadPiece, Record, scan
from storage.segment import SegmentName, parse_segment_name


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A segment's name and its length in bytes when the directory was read."""

    name: SegmentName
    size: int

    @property
    def is_open(self) -> bool:
        """Whether it may still be appended to."""
        return self.name.events is None


def segment_files(fs: FileSystem, directory: Path) -> list[SegmentFile]:
    """Every segment, the oldest first; OSError if the directory cannot be read."""
    found = [
        SegmentFile(name, size)
        for file_name, size in fs.entries(directory)
        if (name := parse_segment_name(file_name)) is not None
    ]
    return sorted(found, key=lambda file: (file.name.id, file.is_open))


def open_segment(
    fs: FileSystem, directory: Path, name: SegmentName
) -> tuple[SegmentName, BinaryIO] | None:
    """A segment's contents, under the name that it has now; None if it was delivered meanwhile."""
    for each in (name, *_sealed_since(fs, directory, name)):
        try:
            return each, fs.open_read(directory / each.file_name)
        except FileNotFoundError:
            continue
    return None


def _sealed_since(fs: FileSystem, directory: Path, name: SegmentName) -> Iterator[SegmentName]:
    for file in segment_files(fs, directory):
        if file.name.id == name.id and file.name != name:
            yield file.name


def pieces(stream: BinaryIO, name: SegmentName) -> Iterator[Record | BadPiece]:
    """Its records, and what lies between them."""
    return scan(stream, name.checksum_seed)
