"""Bytes of a segment that did not check out are kept for a person, and reported."""

from pathlib import Path

from logs.events import get_logger
from storage.filesystem import read_range
from storage.journal.directory import JournalDirectory
from storage.journal.record import CorruptRange
from storage.journal.segment import SegmentName

_log = get_logger(__name__)


def keep_aside(directory: JournalDirectory, name: SegmentName, piece: CorruptRange) -> Path:
    """Copy a bad piece to `damaged/`, durable on return. Doing it again changes nothing.

    Returns where the copy is.
    """
    fs, target = directory.fs, _target(directory, name, piece)
    fs.make_directory(directory.quarantine)
    directory.remove_if_exists(target)
    directory.write_new(target, read_range(fs, directory.segment(name), piece.offset, piece.length))
    fs.sync_directory(directory.quarantine)
    return target


def _target(directory: JournalDirectory, name: SegmentName, piece: CorruptRange) -> Path:
    return directory.quarantine / f"{name.id}.{piece.offset}.bad"


def report(directory: JournalDirectory, name: SegmentName, piece: CorruptRange) -> None:
    """Say in the log where a segment is damaged, and where the bytes went."""
    _log.error(
        "segment is damaged",
        file=str(directory.segment(name)),
        offset=piece.offset,
        bytes=piece.length,
        cause=piece.cause,
        kept=str(_target(directory, name, piece)),
    )
