"""A file system in memory that loses unsynced changes in a power cut.

After a power cut it holds no more than POSIX promises (fsync(2)), and whatever file systems
have been seen to leave ("All File Systems Are Not Created Equal", Pillai et al., OSDI 2014):

- A file has its content of the last successful sync. Bytes written since may be there, may be
  zeros, or may be what a deleted file left in these blocks, each range of them separately. Its
  length is any between the shortest and the longest that the file has had since.
- A directory has its entries of the last sync. Creations, renames and removals since may have
  happened or not: the first few of them, as on a file system that logs them in order, or any.
- A rename is atomic. A failing sync drops what it should have written: a later sync that
  succeeds does not bring it back (https://wiki.postgresql.org/wiki/Fsync_Errors).

A process that is killed loses nothing by itself: the next one finds what it wrote, no more
durable than before.
"""

import errno
import io
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

_RANGE_BYTES = 64


class Unknowable(BaseException):
    """The process trusts what a failed sync of an earlier process has lost.

    No process can know that. Recovery, which therefore writes again what it seals, has no room
    to do so on a full disk, and then has to trust the file as it is.
    """


@dataclass(eq=False)
class Inode:
    """A file: `seen` is the content that a reader sees, `durable` the content synced last.

    `stable` is the number of leading bytes that no write since then has touched, `longest` the
    greatest length since; `dropped` are the ranges that a failed sync has lost.
    """

    seen: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    stable: int = 0
    longest: int = 0
    dropped: list[tuple[int, int]] = field(default_factory=list)
    links: int = 1

    def append(self, data: bytes) -> None:
        self.seen += data
        self.longest = max(self.longest, len(self.seen))

    def sync(self) -> None:
        content = bytearray(self.seen)
        for start, end in self.dropped:
            content[start:end] = bytes(end - start)
        self.durable = bytes(content)
        self.stable = self.longest = len(content)

    def drop_unsynced(self) -> None:
        self.dropped.append((self.stable, len(self.seen)))

    def truncate(self, size: int) -> None:
        del self.seen[size:]
        self.stable = min(self.stable, size)
        self.dropped = [(start, min(end, size)) for start, end in self.dropped if start < size]


Operation = Callable[[dict[str, Inode]], object]


@dataclass
class Directory:
    """`seen` and `durable` entries, and the operations between the two, in order."""

    seen: dict[str, Inode] = field(default_factory=dict)
    durable: dict[str, Inode] = field(default_factory=dict)
    pending: list[Operation] = field(default_factory=list)

    def do(self, operation: Operation) -> None:
        operation(self.seen)
        self.pending.append(operation)

    def sync(self) -> None:
        self.durable = dict(self.seen)
        self.pending.clear()


class MemoryFileSystem:
    """See `storage.filesystem.FileSystem`. `chance` decides what a power cut leaves.

    While `may_trust_dropped` is set, a sync of a file that lost something in an earlier failed
    sync raises Unknowable.
    """

    def __init__(
        self,
        chance: random.Random,
        directories: dict[Path, Directory] | None = None,
        deleted: list[bytes] | None = None,
    ) -> None:
        self.directories = directories or {}
        self.may_trust_dropped = False
        self._chance = chance
        self._deleted = deleted or []

    def _directory(self, path: Path) -> Directory:
        try:
            return self.directories[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from None

    def _inode(self, path: Path) -> Inode:
        try:
            return self._directory(path.parent).seen[path.name]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from None

    def create(self, path: Path) -> "MemoryFile":
        """See `FileSystem.create`."""
        directory = self._directory(path.parent)
        if path.name in directory.seen:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        inode = Inode()
        directory.do(lambda entries: entries.__setitem__(path.name, inode))
        return MemoryFile(self, inode)

    def reopen(self, path: Path) -> "MemoryFile":
        """See `FileSystem.reopen`."""
        return MemoryFile(self, self._inode(path))

    def open_read(self, path: Path) -> BinaryIO:
        """See `FileSystem.open_read`."""
        return io.BytesIO(bytes(self._inode(path).seen))

    def rename(self, source: Path, target: Path) -> None:
        """See `FileSystem.rename`; both are in one directory."""
        assert source.parent == target.parent
        inode = self._inode(source)

        def move(entries: dict[str, Inode]) -> None:
            entries.pop(source.name, None)
            entries[target.name] = inode

        self._directory(source.parent).do(move)

    def rename_new(self, source: Path, target: Path) -> None:
        """See `FileSystem.rename_new`."""
        if target.name in self._directory(target.parent).seen:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        self.rename(source, target)

    def remove(self, path: Path) -> None:
        """See `FileSystem.remove`."""
        inode = self._inode(path)
        inode.links = 0
        self._deleted.append(bytes(inode.seen))
        self._directory(path.parent).do(lambda entries: entries.pop(path.name, None))

    def sync_directory(self, path: Path) -> None:
        """See `FileSystem.sync_directory`."""
        self._directory(path).sync()

    def make_directory(self, path: Path) -> None:
        """See `FileSystem.make_directory`."""
        self.directories.setdefault(path, Directory())

    def entries(self, path: Path) -> Iterator[tuple[str, int]]:
        """See `FileSystem.entries`."""
        found = [(name, len(inode.seen)) for name, inode in self._directory(path).seen.items()]
        self._chance.shuffle(found)
        return iter(found)

    def after_kill(self) -> "MemoryFileSystem":
        """Return what the next process finds after this one was killed."""
        return MemoryFileSystem(self._chance, dict(self.directories), self._deleted[-8:])

    def after_power_cut(self) -> "MemoryFileSystem":
        """Return what the next process finds after a power cut."""
        copies: dict[Inode, Inode] = {}
        directories = {}
        for path, directory in self.directories.items():
            left = self._entries_left(directory)
            for inode in left.values():
                if inode not in copies:
                    copies[inode] = self._left_of(inode)
            names = {name: copies[inode] for name, inode in left.items()}
            directories[path] = Directory(dict(names), names)
        return MemoryFileSystem(self._chance, directories, self._deleted[-8:])

    def _entries_left(self, directory: Directory) -> dict[str, Inode]:
        left = dict(directory.durable)
        in_order = self._chance.random() < 0.5
        kept = self._chance.randint(0, len(directory.pending))
        for number, operation in enumerate(directory.pending):
            if number < kept if in_order else self._chance.random() < 0.5:
                operation(left)
        return left

    def _left_of(self, inode: Inode) -> Inode:
        size = self._chance.randint(inode.stable, max(inode.stable, inode.longest))
        content = bytearray(inode.durable[: inode.stable])
        while len(content) < size:
            start = len(content)
            end = min(size, start + self._chance.randint(1, _RANGE_BYTES))
            content += self._range_left(inode, start, end).ljust(end - start, b"\0")
        left = bytes(content)
        return Inode(bytearray(left), left, len(left), len(left))

    def _range_left(self, inode: Inode, start: int, end: int) -> bytes:
        kind = self._chance.choice(["seen", "seen", "seen", "seen", "durable", "zeros", "stale"])
        if kind == "seen":
            return bytes(inode.seen[start:end])
        if kind == "durable":
            return inode.durable[start:end]
        if kind == "stale" and self._deleted:
            return self._chance.choice(self._deleted)[start:end]
        return b""


class MemoryFile:
    """See `storage.filesystem.AppendFile`."""

    def __init__(self, fs: MemoryFileSystem, inode: Inode) -> None:
        self._fs = fs
        self._inode = inode

    def write(self, data: bytes) -> None:
        """See `AppendFile.write`."""
        self._inode.append(data)

    def sync(self) -> None:
        """See `AppendFile.sync`."""
        if self._inode.dropped and self._fs.may_trust_dropped:
            raise Unknowable
        self._inode.sync()
        if self._inode.links == 0:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def lose_unsynced(self) -> None:
        """Fail to sync: no later sync makes durable what was written since the last one."""
        self._inode.drop_unsynced()

    def truncate(self, size: int) -> None:
        """See `AppendFile.truncate`."""
        self._inode.truncate(size)

    def close(self) -> None:
        """See `AppendFile.close`."""
