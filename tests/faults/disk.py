"""The server on a disk that can be turned while it runs.

    python -m tests.faults.disk CONTROL_FILE

runs `server.py`. While CONTROL_FILE holds text, the calls that it names fail:

    full            every write that needs more than was deleted since: ENOSPC
    write EIO       every call of one kind, with an errno; kinds are separated by commas
    sync,write EIO
    change EROFS    every call that changes anything
"""

import errno
import os
import sys
from pathlib import Path

import collector
import server
from storage.filesystem import AppendFile, LocalFileSystem

_CHANGES = frozenset(
    {"create", "reopen", "write", "sync", "truncate", "rename", "remove", "make_directory"}
)


class Control:
    """What the control file says."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._freed = 0
        self._was_full = False

    def _text(self) -> str:
        try:
            return self._path.read_text().strip()
        except FileNotFoundError:
            return ""

    def check(self, kind: str, size: int = 0) -> None:
        """Raise what a call of this kind, which takes `size` bytes, fails with."""
        text = self._text()
        is_full = text == "full"
        if is_full and not self._was_full:
            self._freed = 0
        self._was_full = is_full
        if is_full:
            self._take(size)
        elif text:
            kinds, name = text.split()
            if kind in (_CHANGES if kinds == "change" else kinds.split(",")):
                code = getattr(errno, name)
                raise OSError(code, os.strerror(code))

    def _take(self, size: int) -> None:
        if size > self._freed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._freed -= size

    def free(self, size: int) -> None:
        """So many bytes were deleted."""
        self._freed += size


class TurnableFileSystem(LocalFileSystem):
    """The file system of this machine, as far as the control file lets it work."""

    def __init__(self, control: Control) -> None:
        super().__init__()
        self._control = control

    def create(self, path: Path) -> AppendFile:
        """See `FileSystem.create`."""
        self._control.check("create")
        return _TurnableFile(self._control, super().create(path))

    def reopen(self, path: Path) -> AppendFile:
        """See `FileSystem.reopen`."""
        self._control.check("reopen")
        return _TurnableFile(self._control, super().reopen(path))

    def rename(self, source: Path, target: Path) -> None:
        """See `FileSystem.rename`."""
        self._control.check("rename")
        super().rename(source, target)

    def remove(self, path: Path) -> None:
        """See `FileSystem.remove`."""
        self._control.check("remove")
        size = path.stat().st_size
        super().remove(path)
        self._control.free(size)

    def make_directory(self, path: Path) -> None:
        """See `FileSystem.make_directory`."""
        self._control.check("make_directory")
        super().make_directory(path)

    def sync_directory(self, path: Path) -> None:
        """See `FileSystem.sync_directory`."""
        self._control.check("sync_directory")
        super().sync_directory(path)


class _TurnableFile:
    def __init__(self, control: Control, file: AppendFile) -> None:
        self._control = control
        self._file = file

    def write(self, data: bytes) -> None:
        try:
            self._control.check("write", len(data))
        except OSError:
            self._file.write(data[: len(data) // 2])
            raise
        self._file.write(data)

    def sync(self) -> None:
        self._control.check("sync")
        self._file.sync()

    def truncate(self, size: int) -> None:
        self._control.check("truncate")
        self._file.truncate(size)

    def close(self) -> None:
        self._file.close()


def main(control_file: str) -> int:
    """Run the server; its exit code."""
    control = Control(Path(control_file))
    vars(collector)["LocalFileSystem"] = lambda: TurnableFileSystem(control)
    return server.main([])


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stderr.flush()
    os._exit(code)
