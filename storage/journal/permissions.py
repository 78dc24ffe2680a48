"""Permissions of a journal directory: a warning if other users may change it."""

import contextlib
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storage.journal.directory import JournalDirectory

_WRITERS = (
    (stat.S_IWGRP, "its group"),
    (stat.S_IWOTH, "every user"),
)


@dataclass(frozen=True, slots=True)
class OpenToOthers:
    """A directory that users other than its owner may write to; `mode` has its permission bits."""

    path: Path
    mode: int

    @property
    def cause(self) -> str:
        """The mode and who may write, as the rest of a sentence about the directory."""
        writers = " and ".join(name for bit, name in _WRITERS if self.mode & bit)
        return f"has mode {self.mode:04o}: {writers} may remove, replace or add events"

    @property
    def remedy(self) -> str:
        """The command that closes it to them."""
        return f"run `chmod go-w {shlex.quote(str(self.path))}`"


def open_to_others(directory: JournalDirectory) -> Iterator[OpenToOthers]:
    """Yield the journal directory and those of its subdirectories that others may write to.

    A directory that does not exist or cannot be examined is left out.
    """
    for path in (directory.path, directory.ids, directory.staged, directory.quarantine):
        with contextlib.suppress(OSError):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & (stat.S_IWGRP | stat.S_IWOTH):
                yield OpenToOthers(path, mode)
