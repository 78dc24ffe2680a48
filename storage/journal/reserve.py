"""Disk space that is set aside, so that a full disk can still be left in good order.

Sealing a segment writes the ids in it and a directory entry. On a full disk the reserve is
given up for these; no event is taken before it is there again.
"""

import errno
from collections.abc import Callable, Iterator

from storage.journal.directory import JournalDirectory

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_CHUNK_BYTES = 1024 * 1024

# An event is stored in 140 bytes at least, of which its id's digest takes 16 once more.
_SEGMENT_PER_RESERVE = 8
_LEAST_BYTES = 1024 * 1024


def sealing_bytes(segment_max_bytes: int) -> int:
    """The disk space that sealing a segment may take, in bytes."""
    return _LEAST_BYTES + segment_max_bytes // _SEGMENT_PER_RESERVE


def is_disk_full(error: BaseException) -> bool:
    """Whether the disk, or what this user may use of it, is full."""
    return isinstance(error, OSError) and error.errno in _NO_SPACE


class Reserve:
    """A file of `size` bytes in a journal directory. Blocking, for one thread at a time."""

    def __init__(self, directory: JournalDirectory, size: int) -> None:
        self._directory = directory
        self._size = size
        self._is_held = False

    @property
    def size(self) -> int:
        """How much disk space it takes, in bytes."""
        return self._size

    def hold(self) -> None:
        """Set the space aside; OSError if there is none. Nothing happens if it is held."""
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

    # Written, not only allocated: on a file system that does not allocate ahead nothing else
    # keeps others from the space.
    def _zeros(self) -> Iterator[bytes]:
        for start in range(0, self._size, _CHUNK_BYTES):
            yield bytes(min(_CHUNK_BYTES, self._size - start))

    def _remove(self) -> None:
        self._directory.remove_if_exists(self._directory.reserve)

    def spend(self, step: Callable[[], None]) -> None:
        """Run a step that needs little space; if the disk is full, once more without the reserve.

        OSError if that does not help, or is not the cause.
        """
        try:
            step()
        except OSError as error:
            if not is_disk_full(error):
                raise
            self._is_held = False
            self._remove()
            step()
