"""Batch objects on disk, from their compression to their delivery.

Invariant: a staged object is complete and durable, or it does not exist. Once it exists, every
attempt sends these bytes, even in a later process with another version of zlib.

Every call blocks.
"""

import contextlib
import io
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from storage.delivery import layout
from storage.delivery.batch_body import BatchBody
from storage.filesystem import AppendFile
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
        """Return the object of a segment's day, or None if it is not staged."""
        path = self._path(name, day)
        try:
            with self._fs.open_read(path) as stream:
                size = stream.seek(0, io.SEEK_END)
        except FileNotFoundError:
            return None
        key = layout.batch_key(name.rules.prefix, day, name.id)
        return StoredObject(key, _CONTENT_TYPE, size, partial(self._fs.open_read, path))

    @contextlib.contextmanager
    def draft(self, name: SegmentName) -> Iterator["Draft"]:
        """Begin an object of a segment; it is removed after the block unless it was committed.

        A segment may have one draft at a time. Raises OSError if the disk refuses it.
        """
        temporary = self._temporary(name)
        self._fs.make_directory(self._directory.staged)
        self._directory.remove_if_exists(temporary)
        draft = Draft(self._fs.create(temporary))
        try:
            yield draft
        finally:
            draft.close()
            self._directory.remove_if_exists(temporary)

    def commit(self, draft: "Draft", name: SegmentName, day: str) -> None:
        """Stage a draft as the object of a segment's day; it is durable on return.

        An object that is already staged is kept instead, since it may have been sent. After an
        OSError the call may be repeated with a new draft.
        """
        if self.find(name, day) is not None:
            return
        draft.finish()
        self._fs.rename(self._temporary(name), self._path(name, day))
        self._fs.sync_directory(self._directory.staged)

    def write(self, name: SegmentName, day: str, portions: Iterable[bytes]) -> bool:
        """Stage the lines of a segment's day; return False if the disk is full.

        Raises OSError, and any exception of `portions`; nothing is staged then.
        """
        try:
            with self.draft(name) as draft:
                for text in portions:
                    draft.add(text)
                self.commit(draft, name, day)
        except OSError as error:
            if not is_disk_full(error):
                raise
            return False
        return True

    def drop(self, name: SegmentName, day: str) -> None:
        """Remove the object of a segment's day, if it is staged."""
        self._directory.remove_if_exists(self._path(name, day))

    def _path(self, name: SegmentName, day: str) -> Path:
        return self._directory.staged / f"{name.id}.{day}.ndjson.gz"

    def _temporary(self, name: SegmentName) -> Path:
        return self._directory.staged / f"{name.id}.tmp"


class Draft:
    """A batch object that is being written to a temporary file."""

    def __init__(self, file: AppendFile) -> None:
        self._file = file
        self._body = BatchBody()
        self._is_open = True

    def add(self, text: bytes) -> None:
        """Append lines, newlines included."""
        if ready := self._body.add(text):
            self._file.write(ready)

    def finish(self) -> None:
        """Write the end of the object and sync it."""
        self._file.write(self._body.finish())
        self._file.sync()
        self.close()

    def close(self) -> None:
        """Release the file."""
        if self._is_open:
            self._is_open = False
            self._file.close()


# Only shipping frees space on a full disk, so it must not need space there. A compressed segment
# is small enough for memory, and another attempt compresses it to the same bytes.
def object_in_memory(name: SegmentName, day: str, portions: Iterable[bytes]) -> StoredObject:
    """Return the object of a segment's day in memory, for when the disk is full."""
    body = BatchBody()
    content = b"".join([body.add(text) for text in portions]) + body.finish()
    key = layout.batch_key(name.rules.prefix, day, name.id)
    return StoredObject(key, _CONTENT_TYPE, len(content), partial(io.BytesIO, content))
