"""Bytes of a segment that did not check out are kept for a person, and reported."""

import contextlib
from pathlib import Path

from logs.events import get_logger
from storage.filesystem import FileSystem
from storage.journal.record import CorruptRange
from storage.journal.segment import SegmentName

_log = get_logger(__name__)

_CHUNK_BYTES = 1024 * 1024


def keep_aside(fs: FileSystem, directory: Path, name: SegmentName, piece: CorruptRange) -> Path:
    """Copy a bad piece to `damaged/`, durable on return. Doing it again changes nothing.

    Returns where the copy is.
    """
    source = directory / name.file_name
    target = _target(directory, name, piece)
    fs.make_directory(target.parent)
    with contextlib.suppress(FileNotFoundError):
        fs.remove(target)
    copy = fs.create(target)
    try:
        with fs.open_read(source) as stream:
            stream.seek(piece.offset)
            left = piece.length
            while left and (chunk := stream.read(min(left, _CHUNK_BYTES))):
                copy.write(chunk)
                left -= len(chunk)
        copy.sync()
    finally:
        copy.close()
    fs.sync_directory(target.parent)
    return target


def _target(directory: Path, name: SegmentName, piece: CorruptRange) -> Path:
    return directory / "damaged" / f"{name.id}.{piece.offset}.bad"


def report(directory: Path, name: SegmentName, piece: CorruptRange) -> None:
    """Say in the log where a segment is damaged, and where the bytes went."""
    _log.error(
        "segment is damaged",
        file=str(directory / name.file_name),
        offset=piece.offset,
        bytes=piece.length,
        cause=piece.cause,
        kept=str(_target(directory, name, piece)),
    )
