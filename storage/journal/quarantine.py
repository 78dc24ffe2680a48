"""Corrupt ranges of a segment: copied to `quarantine/` for a person, and reported."""

from pathlib import Path

from logs.events import get_logger
from storage.filesystem import read_range
from storage.journal.directory import JournalDirectory
from storage.journal.record import CorruptRange
from storage.journal.segment import SegmentName

_log = get_logger(__name__)


def quarantine_range(directory: JournalDirectory, name: SegmentName, corrupt: CorruptRange) -> Path:
    """Copy a corrupt range, durable on return, and return the path of the copy.

    A repeated call replaces the copy with the same bytes. Raises OSError if the segment cannot be
    read or the copy cannot be written.
    """
    target = _target(directory, name, corrupt)
    content = read_range(directory.fs, directory.segment(name), corrupt.offset, corrupt.length)
    directory.fs.make_directory(directory.quarantine)
    directory.remove_if_exists(target)
    directory.write_new(target, content)
    directory.fs.sync_directory(directory.quarantine)
    return target


def _target(directory: JournalDirectory, name: SegmentName, corrupt: CorruptRange) -> Path:
    return directory.quarantine / f"{name.id}.{corrupt.offset}.bad"


def report_corruption(
    directory: JournalDirectory, name: SegmentName, corrupt: CorruptRange
) -> None:
    """Log the file, the range, the cause, and where the copy is."""
    _log.error(
        "segment is corrupt",
        file=str(directory.segment(name)),
        offset=corrupt.offset,
        bytes=corrupt.length,
        cause=corrupt.cause,
        quarantined=str(_target(directory, name, corrupt)),
    )
