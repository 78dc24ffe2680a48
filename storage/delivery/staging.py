"""Batch objects on disk, between being compressed and being delivered.

Invariant: a staged object is whole and durable, or it is not there. Once it is there, every
attempt sends these bytes, also those of a process with another version of zlib.

Blocking.
"""

import io
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from storage.delivery import layout
from storage.journal.directory import JournalDirectory
from storage.journal.reserve import is_disk_full
from storage.journal.segment import SegmentName
from storage.stores.store import StoredObject

_CONTENT_TYPE = "application/gzip"


class Staging:
    """The staged objects of one journal directory: one for each segment and day."""

    def __init__(self, directory: JournalDirectory) -> None:
        self._directory = directory
        self._fs = directory.fs

    def find(self, name: SegmentName, day: str) -> StoredObject | None:
        """The object of a segment's day, if it is staged."""
        path = self._path(name, day)
        try:
            with self._fs.open_read(path) as stream:
                size = stream.seek(0, io.SEEK_END)
        except FileNotFoundError:
            return None
        key = layout.batch_key(name.rules.prefix, day, name.id)
        return StoredObject(key, _CONTENT_TYPE, size, partial(self._fs.open_read, path))

    def write(self, name: SegmentName, day: str, lines: Iterable[bytes]) -> bool:
        """Stage the lines of a segment's day; on return they are durable, or the disk is full.

        Returns whether they are. Raises what `lines` does, and OSError: nothing is staged then.
        """
        path = self._path(name, day)
        temporary = path.with_suffix(".tmp")
        try:
            self._fs.make_directory(self._directory.staged)
            self._directory.remove_if_exists(temporary)
            self._directory.write_new(temporary, layout.compress(lines))
            self._fs.rename(temporary, path)
            self._fs.sync_directory(self._directory.staged)
        except OSError as error:
            if not is_disk_full(error):
                raise
            return False
        return True

    def drop(self, name: SegmentName, day: str) -> None:
        """Remove what is staged of a segment's day; nothing happens if nothing is."""
        self._directory.remove_if_exists(self._path(name, day))

    def _path(self, name: SegmentName, day: str) -> Path:
        return self._directory.staged / f"{name.id}.{day}.ndjson.gz"


# Only shipping empties a full disk, so it must not need space there. Compressed, a segment
# is small enough for memory; another attempt compresses it to the same bytes.
def unstaged(name: SegmentName, day: str, lines: Iterable[bytes]) -> StoredObject:
    """The same object in memory, for when the disk is full."""
    body = b"".join(layout.compress(lines))
    key = layout.batch_key(name.rules.prefix, day, name.id)
    return StoredObject(key, _CONTENT_TYPE, len(body), partial(io.BytesIO, body))
