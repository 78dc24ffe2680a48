"""Disk space that is set aside, so that a segment can be sealed on a full disk.

Sealing a segment writes the identities of its events and a directory entry. On a full disk the
reserve is released for these; no event is accepted before the reserve is held again.
"""

import errno
import threading
from collections.abc import Callable, Iterator

from storage.journal.directory import JournalDirectory

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_CHUNK_BYTES = 1024 * 1024

# A record takes at least 140 bytes, and the identity of its event 16 more.
_SEGMENT_PER_RESERVE = 8
_LEAST_BYTES = 1024 * 1024


def sealing_bytes(segment_max_bytes: int) -> int:
    """Return the disk space that sealing a segment may take, in bytes."""
    return _LEAST_BYTES + segment_max_bytes // _SEGMENT_PER_RESERVE


def is_disk_full(error: BaseException) -> bool:
    """Return True if an error says that the disk or this user's quota is full."""
    return isinstance(error, OSError) and error.errno in _NO_SPACE


class Reserve:
    """A file of `size` bytes in a journal directory. Blocks; several threads may use it."""

    def __init__(self, directory: JournalDirectory, size: int) -> None:
        self._directory = directory
        self._size = size
        self._is_held = False
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """The disk space in bytes."""
        return self._size

    def hold(self) -> None:
        """Set the space aside unless it is held already; OSError if there is none."""
        with self._lock:
            if self._is_held or self._size == 0:
                return
            if self._found() != self._size:
                self._remove()
                self._directory.write_new(self._directory.reserve, self._zeros())
            self._is_held = True

    def _found(self) -> int | None:
        try:
            with self._directory.fs.open_read(self._directory.reserve) as stream:
                return stream.seek(0, 2)
        except FileNotFoundError:
            return None

    # Written, not only allocated: not every file system reserves space for a file that is only
    # extended.
    def _zeros(self) -> Iterator[bytes]:
        for start in range(0, self._size, _CHUNK_BYTES):
            yield bytes(min(_CHUNK_BYTES, self._size - start))

    def _remove(self) -> None:
        self._directory.remove_if_exists(self._directory.reserve)

    def spend(self, step: Callable[[], None]) -> None:
        """Run a step; if the disk is full, release the reserve and run the step again.

        Raises the step's OSError if it has another cause, or if the step fails again.
        """
        with self._lock:
            try:
                step()
            except OSError as error:
                if not is_disk_full(error):
                    raise
                self._is_held = False
                self._remove()
                step()
