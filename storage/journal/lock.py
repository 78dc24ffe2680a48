"""The lock on a journal directory."""

import contextlib
import json
import os
import socket
import time

from storage.filesystem import FileLock, FileLocked
from storage.journal.directory import JournalDirectory


class DirectoryInUse(Exception):
    """Another process holds the journal directory; the message says which."""


class DirectoryLock:
    """The right to use a journal directory, held by one process at a time.

    The kernel releases it when the process ends, however it ends. The lock file tells a
    person which process holds it.
    """

    def __init__(self, directory: JournalDirectory) -> None:
        """Take the lock, or raise DirectoryInUse; OSError if the file cannot be made."""
        try:
            self._lock = FileLock(directory.lock)
        except FileLocked as error:
            message = f"{directory.path} is in use by another process: {error.note or 'unknown'}"
            raise DirectoryInUse(message) from None
        # A full disk must not keep the server from starting and shipping what is on it.
        with contextlib.suppress(OSError):
            self._lock.write_note(_holder())

    def release(self) -> None:
        """Let another process have the directory."""
        self._lock.release()


def _holder() -> str:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since})
