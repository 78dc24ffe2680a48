"""A file system in memory that forgets what was not synced, and fails when told to.

What a power cut leaves is no more than POSIX promises (fsync(2)), and what file systems were
seen to leave ("All File Systems Are Not Created Equal", Pillai et al., OSDI 2014):

- Of a file, what was there at its last successful sync. Bytes written since may be there, or
  be zeros, or be what a deleted file left in these blocks, any piece of them; and its length
  may be any between the shortest and the longest that it has had since.
- Of a directory, its entries at its last sync. Creations, renames and removals since may have
  happened or not: the first few of them, as on a file system that logs them in order, or any.
- A rename is atomic. A sync that fails drops what it should have written: a later one that
  succeeds does not bring it back (https://wiki.postgresql.org/wiki/Fsync_Errors).

A process that is killed loses nothing by itself: what it wrote is there for the next one, and
not more durable than before.
"""

import errno
import io
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

ERRNOS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE)

_PIECE_BYTES = 64


class Crash(BaseException):
    """The process ends here."""


class Unknowable(BaseException):
    """The process trusts what a failed sync of an earlier process has lost.

    No process can know that. Recovery, which therefore writes again what it seals, has no room
    to do so on a full disk, and then has to trust the file as it is.
    """


@dataclass(eq=False)
class Inode:
    """A file: `seen` is what a reader sees, `durable` what was synced last.

    `stable` is how many bytes of it no write since then has touched; `longest` is the greatest
    length since; `dropped` are ranges that a failed sync has lost.
    """

    seen: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    stable: int = 0
    longest: int = 0
    dropped: list[tuple[int, int]] = field(default_factory=list)
    links: int = 1

    def changed(self) -> None:
        self.longest = max(self.longest, len(self.seen))

    def synced(self) -> None:
        content = bytearray(self.seen)
        for start, end in self.dropped:
            content[start:end] = bytes(end - start)
        self.durable = bytes(content)
        self.stable = self.longest = len(content)

    def sync_failed(self) -> None:
        self.dropped.append((self.stable, len(self.seen)))

    def truncated(self, size: int) -> None:
        del self.seen[size:]
        self.stable = min(self.stable, size)
        self.dropped = [(start, min(end, size)) for start, end in self.dropped if start < size]


Operation = Callable[[dict[str, Inode]], object]


@dataclass
class Directory:
    """`seen` and `durable` entries, and what lies between them, in order."""

    seen: dict[str, Inode] = field(default_factory=dict)
    durable: dict[str, Inode] = field(default_factory=dict)
    pending: list[Operation] = field(default_factory=list)

    def do(self, operation: Operation) -> None:
        operation(self.seen)
        self.pending.append(operation)

    def synced(self) -> None:
        self.durable = dict(self.seen)
        self.pending.clear()


class LossyFileSystem:
    """See `storage.filesystem.FileSystem`.

    Each call counts in `calls`. It ends the process when that reaches `stop_at`, fails with a
    probability of `failure_rate`, and finds no room beyond `free_bytes`, unless that is None.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.directories: dict[Path, Directory] = {}
        self.deleted: list[bytes] = []
        self.calls = 0
        self.stop_at: int | None = None
        self.failure_rate = 0.0
        self.free_bytes: int | None = None
        self.may_trust_dropped = False

    def step(self) -> None:
        """A call begins: it may fail, or be the process's last."""
        self.calls += 1
        if self.stop_at is not None and self.calls >= self.stop_at:
            raise Crash
        if self.failure_rate and self.chance.random() < self.failure_rate:
            code = self.chance.choice(ERRNOS)
            raise OSError(code, os.strerror(code))

    def take(self, size: int) -> None:
        """Use so many bytes of what is free."""
        if self.free_bytes is not None:
            if size > self.free_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.free_bytes -= size

    def give_back(self, size: int) -> None:
        """So many bytes are free again."""
        if self.free_bytes is not None:
            self.free_bytes += size

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

    def create(self, path: Path) -> "LossyFile":
        """See `FileSystem.create`."""
        self.step()
        directory = self._directory(path.parent)
        if path.name in directory.seen:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        inode = Inode()
        directory.do(lambda entries: entries.__setitem__(path.name, inode))
        return LossyFile(self, inode)

    def reopen(self, path: Path) -> "LossyFile":
        """See `FileSystem.reopen`."""
        self.step()
        return LossyFile(self, self._inode(path))

    def open_read(self, path: Path) -> BinaryIO:
        """See `FileSystem.open_read`."""
        self.step()
        return io.BytesIO(bytes(self._inode(path).seen))

    def rename(self, source: Path, target: Path) -> None:
        """See `FileSystem.rename`; both are in one directory."""
        self.step()
        assert source.parent == target.parent
        inode = self._inode(source)

        def move(entries: dict[str, Inode]) -> None:
            entries.pop(source.name, None)
            entries[target.name] = inode

        self._directory(source.parent).do(move)

    def rename_new(self, source: Path, target: Path) -> None:
        """See `FileSystem.rename_new`."""
        if target.name in self._directory(target.parent).seen:
            self.step()
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        self.rename(source, target)

    def remove(self, path: Path) -> None:
        """See `FileSystem.remove`."""
        self.step()
        inode = self._inode(path)
        inode.links = 0
        self.deleted.append(bytes(inode.seen))
        self.give_back(len(inode.seen))
        self._directory(path.parent).do(lambda entries: entries.pop(path.name, None))

    def sync_directory(self, path: Path) -> None:
        """See `FileSystem.sync_directory`."""
        self.step()
        self._directory(path).synced()

    def make_directory(self, path: Path) -> None:
        """See `FileSystem.make_directory`."""
        self.step()
        self.directories.setdefault(path, Directory())

    def entries(self, path: Path) -> Iterator[tuple[str, int]]:
        """See `FileSystem.entries`."""
        self.step()
        found = [(name, len(inode.seen)) for name, inode in self._directory(path).seen.items()]
        self.chance.shuffle(found)
        return iter(found)

    def after_kill(self) -> "LossyFileSystem":
        """What the next process finds after this one was killed."""
        return self._next(dict(self.directories), list(self.deleted))

    def after_power_cut(self) -> "LossyFileSystem":
        """What the next process finds after a power cut."""
        deleted = list(self.deleted)
        copies: dict[Inode, Inode] = {}
        directories = {}
        for path, directory in self.directories.items():
            left = self._entries_left(directory)
            for inode in left.values():
                if inode not in copies:
                    copies[inode] = self._left_of(inode)
            names = {name: copies[inode] for name, inode in left.items()}
            directories[path] = Directory(dict(names), names)
        return self._next(directories, deleted)

    def _next(self, directories: dict[Path, Directory], deleted: list[bytes]) -> "LossyFileSystem":
        after = LossyFileSystem(self.chance)
        after.directories = directories
        after.deleted = deleted[-8:]
        return after

    def _entries_left(self, directory: Directory) -> dict[str, Inode]:
        left = dict(directory.durable)
        in_order = self.chance.random() < 0.5
        kept = self.chance.randint(0, len(directory.pending))
        for number, operation in enumerate(directory.pending):
            if number < kept if in_order else self.chance.random() < 0.5:
                operation(left)
        return left

    def _left_of(self, inode: Inode) -> Inode:
        size = self.chance.randint(inode.stable, max(inode.stable, inode.longest))
        content = bytearray(inode.durable[: inode.stable])
        while len(content) < size:
            start = len(content)
            end = min(size, start + self.chance.randint(1, _PIECE_BYTES))
            content += self._piece(inode, start, end).ljust(end - start, b"\0")
        left = bytes(content)
        return Inode(bytearray(left), left, len(left), len(left))

    def _piece(self, inode: Inode, start: int, end: int) -> bytes:
        kind = self.chance.choice(["seen", "seen", "seen", "seen", "durable", "zeros", "stale"])
        if kind == "seen":
            return bytes(inode.seen[start:end])
        if kind == "durable":
            return inode.durable[start:end]
        if kind == "stale" and self.deleted:
            return self.chance.choice(self.deleted)[start:end]
        return b""


class LossyFile:
    """See `storage.filesystem.AppendFile`."""

    def __init__(self, fs: LossyFileSystem, inode: Inode) -> None:
        self._fs = fs
        self._inode = inode

    def write(self, data: bytes) -> None:
        """See `AppendFile.write`."""
        try:
            self._fs.step()
            self._fs.take(len(data))
        except BaseException:
            self._append(data[: self._fs.chance.randint(0, len(data))])
            raise
        self._append(data)

    def _append(self, data: bytes) -> None:
        self._inode.seen += data
        self._inode.changed()

    def sync(self) -> None:
        """See `AppendFile.sync`."""
        try:
            self._fs.step()
        except OSError:
            self._inode.sync_failed()
            raise
        if self._inode.dropped and self._fs.may_trust_dropped:
            raise Unknowable
        self._inode.synced()
        if self._inode.links == 0:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def truncate(self, size: int) -> None:
        """See `AppendFile.truncate`."""
        self._fs.step()
        self._fs.give_back(len(self._inode.seen) - size)
        self._inode.truncated(size)

    def close(self) -> None:
        """See `AppendFile.close`."""
        self._fs.step()
