"""Policies for `FailingFileSystem`: planned by a test, read from a file, or random."""

import errno
import os
import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

RANDOM_ERRNOS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE)

# The calls that change something on the disk.
_CHANGES = frozenset(
    {
        *("create", "reopen", "write", "sync", "truncate"),
        *("rename", "rename_new", "remove", "make_directory"),
    }
)


def failure(code: int) -> OSError:
    """Return the error that the kernel's call would raise."""
    return OSError(code, os.strerror(code))


class Crash(BaseException):
    """The process ends here."""


@dataclass(frozen=True)
class Fault:
    """Failure of the calls number `first` to `last` of a kind, counted from 1.

    `kind` is the name of a method of `FileSystem` or `AppendFile`. A failing write leaves the
    first `partial` bytes of its data.
    """

    kind: str
    first: int = 1
    last: int | None = None
    errno: int = errno.EIO
    partial: int = 0

    def hits(self, kind: str, count: int) -> bool:
        last = self.first if self.last is None else self.last
        return kind == self.kind and self.first <= count <= last


class PlannedFaults:
    """Faults that a test plans; `calls` lists the name of every call so far."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.faults = list(faults)
        self.calls: list[str] = []
        self._partial = 0

    def fail(self, kind: str, *, code: int = errno.EIO, partial: int = 0, times: int = 1) -> None:
        """Let the next `times` calls of a kind fail."""
        first = self.calls.count(kind) + 1
        self.faults.append(Fault(kind, first, first + times - 1, code, partial))

    def fail_until_repaired(self, kind: str, *, code: int = errno.EIO) -> None:
        """Let every call of a kind fail until `repair`."""
        self.fail(kind, code=code, times=sys.maxsize)

    def repair(self) -> None:
        """Let every call succeed from now on."""
        self.faults.clear()

    def check(self, call: str, growth: int) -> None:
        """See `FaultPolicy.check`."""
        self.calls.append(call)
        count = self.calls.count(call)
        for fault in self.faults:
            if fault.hits(call, count):
                self._partial = fault.partial
                raise failure(fault.errno)

    def torn(self, size: int) -> int:
        """See `FaultPolicy.torn`."""
        return min(self._partial, size)


class ControlledFaults:
    """Faults that a file turns on and off while the server runs.

    While the file holds text, the calls that it names fail:

        full            every write that needs more than was deleted since: ENOSPC
        write EIO       every call of one kind, with an errno; kinds are separated by commas
        sync,write EIO
        change EROFS    every call that changes anything
    """

    def __init__(self, control_file: Path) -> None:
        self._control_file = control_file
        self._freed = 0
        self._was_full = False

    def check(self, call: str, growth: int) -> None:
        """See `FaultPolicy.check`."""
        text = self._text()
        is_full = text == "full"
        if is_full and not self._was_full:
            self._freed = 0
        self._was_full = is_full
        if is_full:
            self._take(call, growth)
        elif text:
            kinds, name = text.split()
            if call in (_CHANGES if kinds == "change" else kinds.split(",")):
                raise failure(getattr(errno, name))

    def _text(self) -> str:
        try:
            return self._control_file.read_text().strip()
        except FileNotFoundError:
            return ""

    # A torn write takes no room, and so cutting it off must not make any.
    def _take(self, call: str, growth: int) -> None:
        if call == "truncate":
            return
        if growth > max(self._freed, 0):
            raise failure(errno.ENOSPC)
        self._freed -= growth

    def torn(self, size: int) -> int:
        """See `FaultPolicy.torn`."""
        return size // 2


class RandomFaults:
    """Faults by chance: each call fails with a probability of `failure_rate`.

    Writes find no room beyond `free_bytes`, unless that is None. The process ends at the call
    at which the number of `calls` reaches `stop_at`.
    """

    def __init__(self, chance: random.Random) -> None:
        self.calls = 0
        self.stop_at: int | None = None
        self.failure_rate = 0.0
        self.free_bytes: int | None = None
        self._chance = chance

    def check(self, call: str, growth: int) -> None:
        """See `FaultPolicy.check`."""
        self.calls += 1
        if self.stop_at is not None and self.calls >= self.stop_at:
            raise Crash
        if self.failure_rate and self._chance.random() < self.failure_rate:
            raise failure(self._chance.choice(RANDOM_ERRNOS))
        if self.free_bytes is not None:
            if growth > max(self.free_bytes, 0):
                raise failure(errno.ENOSPC)
            self.free_bytes -= growth

    def torn(self, size: int) -> int:
        """See `FaultPolicy.torn`."""
        return self._chance.randint(0, size)
