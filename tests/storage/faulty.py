"""A file system that refuses: the nth call of a kind fails with an errno."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from storage.filesystem import AppendFile, LocalFileSystem


@dataclass
class Fault:
    """Calls number `first` to `last` of a `kind` fail, a write after `partial` bytes of it.

    `kind` is the name of a call of `FileSystem` or `AppendFile`; calls count from 1.
    """

    kind: str
    first: int = 1
    last: int | None = None
    errno: int = errno.EIO
    partial: int = 0

    def hits(self, kind: str, count: int) -> bool:
        last = self.first if self.last is None else self.last
        return kind == self.kind and self.first <= count <= last

    def error(self) -> OSError:
        return OSError(self.errno, os.strerror(self.errno))


@dataclass
class FaultyFileSystem:
    """The file system of this machine, save for `faults`; `calls` lists what was asked."""

    faults: list[Fault] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._fs = LocalFileSystem()

    def fail(self, kind: str, *, code: int = errno.EIO, partial: int = 0, times: int = 1) -> None:
        """Let the next `times` calls of a kind fail."""
        first = self.calls.count(kind) + 1
        self.faults.append(Fault(kind, first, first + times - 1, code, partial))

    def fault(self, kind: str) -> Fault | None:
        self.calls.append(kind)
        count = self.calls.count(kind)
        return next((fault for fault in self.faults if fault.hits(kind, count)), None)

    def check(self, kind: str) -> None:
        fault = self.fault(kind)
        if fault is not None:
            raise fault.error()

    def create(self, path: Path) -> AppendFile:
        self.check("create")
        return _FaultyFile(self, self._fs.create(path))

    def reopen(self, path: Path) -> AppendFile:
        self.check("reopen")
        return _FaultyFile(self, self._fs.reopen(path))

    def open_read(self, path: Path) -> BinaryIO:
        self.check("open_read")
        return self._fs.open_read(path)

    def rename(self, source: Path, target: Path) -> None:
        self.check("rename")
        self._fs.rename(source, target)

    def rename_new(self, source: Path, target: Path) -> None:
        self.check("rename_new")
        self._fs.rename_new(source, target)

    def remove(self, path: Path) -> None:
        self.check("remove")
        self._fs.remove(path)

    def sync_directory(self, path: Path) -> None:
        self.check("sync_directory")
        self._fs.sync_directory(path)

    def make_directory(self, path: Path) -> None:
        self.check("make_directory")
        self._fs.make_directory(path)

    def entries(self, path: Path) -> Iterator[tuple[str, int]]:
        self.check("entries")
        return self._fs.entries(path)


class _FaultyFile:
    def __init__(self, owner: FaultyFileSystem, file: AppendFile) -> None:
        self._owner = owner
        self._file = file

    def write(self, data: bytes) -> None:
        fault = self._owner.fault("write")
        if fault is not None:
            self._file.write(data[: fault.partial])
            raise fault.error()
        self._file.write(data)

    def sync(self) -> None:
        self._owner.check("sync")
        self._file.sync()

    def truncate(self, size: int) -> None:
        self._owner.check("truncate")
        self._file.truncate(size)

    def close(self) -> None:
        self._file.close()
        self._owner.check("close")
