"""A file system under which any call can fail; a policy decides which, and with what error."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from storage.filesystem import AppendFile, FileSystem, LocalFileSystem
from tests.support.fault_policies import Fault, PlannedFaults
from tests.support.memory_filesystem import MemoryFile


class FaultPolicy(Protocol):
    """The decision which calls of a `FailingFileSystem` fail."""

    def check(self, call: str, growth: int) -> None:
        """Let a call through, or raise what it fails with.

        `call` is the name of a method of `FileSystem` or `AppendFile`. `growth` is the number
        of bytes that the call would add to the disk, negative if it frees some.
        """

    def torn(self, size: int) -> int:
        """Return how many of the `size` bytes of the write that has just failed are written."""


class FailingFileSystem:
    """Another file system, whose calls fail as the policy decides.

    A failing call does nothing, with two exceptions: a failing write leaves the part of the
    data that the policy names, and a failing `close` closes the file. A failing `sync` makes
    a file in memory lose what it should have written, as a kernel does.
    """

    def __init__(self, fs: FileSystem, policy: FaultPolicy) -> None:
        self._fs = fs
        self._policy = policy

    def create(self, path: Path) -> AppendFile:
        """See `FileSystem.create`."""
        self._policy.check("create", 0)
        return _FailingFile(self._fs.create(path), self._policy, size=0)

    def reopen(self, path: Path) -> AppendFile:
        """See `FileSystem.reopen`."""
        self._policy.check("reopen", 0)
        return _FailingFile(self._fs.reopen(path), self._policy, self._size(path))

    def open_read(self, path: Path) -> BinaryIO:
        """See `FileSystem.open_read`."""
        self._policy.check("open_read", 0)
        return self._fs.open_read(path)

    def rename(self, source: Path, target: Path) -> None:
        """See `FileSystem.rename`."""
        self._policy.check("rename", 0)
        self._fs.rename(source, target)

    def rename_new(self, source: Path, target: Path) -> None:
        """See `FileSystem.rename_new`."""
        self._policy.check("rename_new", 0)
        self._fs.rename_new(source, target)

    def remove(self, path: Path) -> None:
        """See `FileSystem.remove`."""
        self._policy.check("remove", -self._size(path))
        self._fs.remove(path)

    def sync_directory(self, path: Path) -> None:
        """See `FileSystem.sync_directory`."""
        self._policy.check("sync_directory", 0)
        self._fs.sync_directory(path)

    def make_directory(self, path: Path) -> None:
        """See `FileSystem.make_directory`."""
        self._policy.check("make_directory", 0)
        self._fs.make_directory(path)

    def entries(self, path: Path) -> Iterator[tuple[str, int]]:
        """See `FileSystem.entries`."""
        self._policy.check("entries", 0)
        return self._fs.entries(path)

    def _size(self, path: Path) -> int:
        try:
            with self._fs.open_read(path) as file:
                return file.seek(0, io.SEEK_END)
        except FileNotFoundError:
            return 0


class _FailingFile:
    def __init__(self, file: AppendFile, policy: FaultPolicy, size: int) -> None:
        self._file = file
        self._policy = policy
        self._size = size

    def write(self, data: bytes) -> None:
        try:
            self._policy.check("write", len(data))
        except BaseException:
            self._append(data[: self._policy.torn(len(data))])
            raise
        self._append(data)

    def _append(self, data: bytes) -> None:
        self._file.write(data)
        self._size += len(data)

    def sync(self) -> None:
        try:
            self._policy.check("sync", 0)
        except OSError:
            if isinstance(self._file, MemoryFile):
                self._file.lose_unsynced()
            raise
        self._file.sync()

    def truncate(self, size: int) -> None:
        self._policy.check("truncate", size - self._size)
        self._file.truncate(size)
        self._size = size

    def close(self) -> None:
        self._file.close()
        self._policy.check("close", 0)


class FaultyFileSystem(PlannedFaults, FailingFileSystem):
    """The file system of this machine, and the plan of its faults."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        PlannedFaults.__init__(self, faults)
        FailingFileSystem.__init__(self, LocalFileSystem(), policy=self)
