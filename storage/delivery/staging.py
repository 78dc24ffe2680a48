"""Batch objects on disk, between being compressed and being delivered.

Invariant: a staged object is whole and durable, or it is not there. Once it is there, every
attempt sends these bytes, also those of a process with another version of zlib.

Blocking.
"""

import contextlib
import io
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from storage.delivery import layout
from storage.filesystem import FileSystem
from storage.journal.recovery import STAGED
from storage.journal.reserve import is_disk_full
from storage.journal.segment import SegmentName
from storage.stores.store import StoredObject

_CONTENT_TYPE = "application/gzip"


class Staging:
    """The staged objects of one journal directory: one for each segment and day."""

    def __init__(self, fs: FileSystem, journal: Path) -> None:
        self._fs = fs
        self._directory = journal / STAGED

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
            self._fs.make_directory(self._directory)
            self._remove(temporary)
            self._write(temporary, lines)
            self._fs.rename(temporary, path)
            self._fs.sync_directory(self._directory)
        except OSError as error:
            if not is_disk_full(error):
                raise
            return False
        return True

    def _write(self, temporary: Path, lines: Iterable[bytes]) -> None:
        file = self._fs.create(temporary)
        try:
            for piece in layout.compress(lines):
                file.write(piece)
            file.sync()
        except Exception:
            self._remove(temporary)
            raise
        finally:
            file.close()

    def drop(self, name: SegmentName, day: str) -> None:
        """Remove what is staged of a segment's day; nothing happens if nothing is."""
        self._remove(self._path(name, day))

    def _remove(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._fs.remove(path)

    def _path(self, name: SegmentName, day: str) -> Path:
        return self._directory / f"{name.id}.{day}.ndjson.gz"


# Only shipping empties a full disk, so it must not need space there. Compressed, a segment
# is small enough for memory; another attempt compresses it to the same bytes.
def unstaged(name: SegmentName, day: str, lines: Iterable[bytes]) -> StoredObject:
    """The same object in memory, for when the disk is full."""
    body = b"".join(layout.compress(lines))
    key = layout.batch_key(name.rules.prefix, day, name.id)
    return StoredObject(key, _CONTENT_TYPE, len(body), partial(io.BytesIO, body))
