"""The one module that opens, syncs, renames and removes files.

Everything that must survive a crash goes through these few calls, so that a test can put
a file system under the journal that loses whatever was not synced.
"""

import contextlib
import errno
import fcntl
import io
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

# Errors of file systems without hard links.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP})

_CHUNK_BYTES = 1024 * 1024


class AppendFile(Protocol):
    """A file that data is appended to."""

    def write(self, data: bytes) -> None:
        """Append all of `data`, or raise OSError with any part of it written."""

    def sync(self) -> None:
        """Make what was written durable: data and length, not the directory entry.

        Raises FileNotFoundError if the file has been removed: its data could not be found again.
        After an OSError, data that was not synced before may be lost even if a later call
        succeeds: the kernel may have dropped the pages.
        """

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes. Durable after the next `sync`."""

    def close(self) -> None:
        """Release the file. Does not sync."""


class FileSystem(Protocol):
    """The file operations that storage uses. Every call may raise OSError."""

    def create(self, path: Path) -> AppendFile:
        """Make a new empty file; FileExistsError if the file exists."""

    def reopen(self, path: Path) -> AppendFile:
        """Open an existing file to append to it; FileNotFoundError for a symbolic link."""

    def open_read(self, path: Path) -> BinaryIO:
        """Open a file for reading, at its start; FileNotFoundError for a symbolic link."""

    def rename(self, source: Path, target: Path) -> None:
        """Move a file, replacing `target`. Durable after `sync_directory`."""

    def rename_new(self, source: Path, target: Path) -> None:
        """Move a file; FileExistsError if `target` exists. Durable after `sync_directory`."""

    def remove(self, path: Path) -> None:
        """Delete a file. Durable after `sync_directory`."""

    def sync_directory(self, path: Path) -> None:
        """Make the directory's entries durable."""

    def make_directory(self, path: Path) -> None:
        """Make a directory and its parents, durable. An existing directory stays."""

    def entries(self, path: Path) -> Iterator[tuple[str, int]]:
        """Yield name and size in bytes of every regular file in a directory, in no order."""


def write_new(fs: FileSystem, path: Path, chunks: Iterable[bytes]) -> None:
    """Write a new file and sync it, not its directory entry; FileExistsError if it exists.

    Raises OSError, or what `chunks` raises; then the partial file is removed if possible.
    """
    file = fs.create(path)
    try:
        with contextlib.closing(file):
            for chunk in chunks:
                file.write(chunk)
            file.sync()
    except BaseException:
        with contextlib.suppress(OSError):
            fs.remove(path)
        raise


def read_range(fs: FileSystem, path: Path, offset: int, length: int) -> Iterator[bytes]:
    """Yield `length` bytes of a file from `offset` on, or up to its end, in chunks."""
    with fs.open_read(path) as stream:
        stream.seek(offset)
        while length and (chunk := stream.read(min(length, _CHUNK_BYTES))):
            yield chunk
            length -= len(chunk)


def remove_if_exists(fs: FileSystem, path: Path) -> None:
    """Delete a file if it exists. Durable after `sync_directory`."""
    with contextlib.suppress(FileNotFoundError):
        fs.remove(path)


class LocalFileSystem:
    """The file system of this machine. Its methods may be called from several threads."""

    def __init__(self) -> None:
        self._durable_directories: set[Path] = set()
        self._making = threading.Lock()

    def create(self, path: Path) -> AppendFile:
        """See `FileSystem.create`."""
        return _LocalFile(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o640))

    def reopen(self, path: Path) -> AppendFile:
        """See `FileSystem.reopen`."""
        return _LocalFile(_open_in_place(path, os.O_WRONLY | os.O_APPEND))

    def open_read(self, path: Path) -> BinaryIO:
        """See `FileSystem.open_read`."""
        return io.BufferedReader(io.FileIO(path, opener=_open_in_place))

    def rename(self, source: Path, target: Path) -> None:
        """See `FileSystem.rename`."""
        source.rename(target)

    def rename_new(self, source: Path, target: Path) -> None:
        """See `FileSystem.rename_new`."""
        try:
            target.hardlink_to(source)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if target.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
            source.rename(target)
        else:
            source.unlink()

    def remove(self, path: Path) -> None:
        """See `FileSystem.remove`."""
        path.unlink()

    def sync_directory(self, path: Path) -> None:
        """See `FileSystem.sync_directory`."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def make_directory(self, path: Path) -> None:
        """See `FileSystem.make_directory`."""
        with self._making:
            self._make_durable(path)

    # The entry of an existing directory may not survive a power cut: the process that made the
    # directory may have died before it synced the parent.
    def _make_durable(self, path: Path) -> None:
        if path.is_dir():
            if path not in self._durable_directories and path.parent != path:
                with contextlib.suppress(PermissionError):
                    self.sync_directory(path.parent)
        else:
            self._make_durable(path.parent)
            path.mkdir(mode=0o750, exist_ok=True)
            self.sync_directory(path.parent)
        self._durable_directories.add(path)

    def entries(self, path: Path) -> Iterator[tuple[str, int]]:
        """See `FileSystem.entries`."""
        with os.scandir(path) as entries:
            for entry in entries:
                try:
                    if entry.is_file(follow_symlinks=False):
                        yield entry.name, entry.stat(follow_symlinks=False).st_size
                except FileNotFoundError:
                    continue  # delivered and deleted while the directory was read


# Whoever may write to a directory could otherwise have any file of this user read or overwritten.
# `entries` does not list symbolic links, and O_EXCL does not follow them.
def _open_in_place(path: Path | str, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_NOFOLLOW)
    except OSError as error:
        if not _is_symbolic_link(error, path):
            raise
        text = "a symbolic link is in its place, which is not followed: put the file itself there"
        raise FileNotFoundError(errno.ENOENT, text, str(path)) from None


def _is_symbolic_link(error: OSError, path: Path | str) -> bool:
    return error.errno == errno.ELOOP and Path(path).is_symlink()


class _LocalFile:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def sync(self) -> None:
        os.fdatasync(self._descriptor)
        if os.fstat(self._descriptor).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, "the file was removed while it was written")

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        os.close(self._descriptor)


class FileLocked(Exception):
    """Another process holds the lock; `note` is what it wrote into the file, or empty."""

    def __init__(self, note: str) -> None:
        super().__init__(note)
        self.note = note


class FileLock:
    """A lock on a local file; the kernel releases it when the process ends.

    The file is made if it does not exist. A symbolic link is not followed, since `write_note` would
    overwrite the file that it leads to.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock, or raise FileLocked; OSError if the file cannot be made or is a link."""
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o640)
        except OSError as error:
            if not _is_symbolic_link(error, path):
                raise
            text = "the lock is a symbolic link, which is not followed: remove it"
            raise OSError(errno.ELOOP, text, str(path)) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note = os.pread(self._descriptor, 1000, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise FileLocked(note) from None
        except OSError:
            os.close(self._descriptor)
            raise

    def write_note(self, note: str) -> None:
        """Replace the file's text by a line for people."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, note.encode() + b"\n", 0)

    def release(self) -> None:
        """Let another process take the lock."""
        os.close(self._descriptor)
