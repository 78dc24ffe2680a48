import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.journal.lock import DirectoryInUse, DirectoryLock
from tests.storage.segments import local

ROOT = Path(__file__).parents[3]

HOLD_THE_LOCK = """
import sys
from pathlib import Path
from storage.filesystem import LocalFileSystem
from storage.journal.directory import JournalDirectory
from storage.journal.lock import DirectoryLock
lock = DirectoryLock(JournalDirectory(LocalFileSystem(), Path(sys.argv[1])))
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def holder(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until it is killed."""
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(directory)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_second_process_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        with pytest.raises(DirectoryInUse) as caught:
            DirectoryLock(local(tmp_path))
        assert str(tmp_path) in str(caught.value)
        assert f'"pid": {process.pid}' in str(caught.value)
        assert socket.gethostname() in str(caught.value)


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.kill()
        assert process.wait() == -signal.SIGKILL
        DirectoryLock(local(tmp_path)).release()


def test_a_released_lock_can_be_taken_again_and_names_its_holder(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("x" * 500)
    DirectoryLock(local(tmp_path)).release()
    lock = DirectoryLock(local(tmp_path))
    assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
    lock.release()


def test_one_process_cannot_take_it_twice(tmp_path: Path) -> None:
    lock = DirectoryLock(local(tmp_path))
    with pytest.raises(DirectoryInUse):
        DirectoryLock(local(tmp_path))
    lock.release()


def test_a_lock_in_a_missing_directory_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        DirectoryLock(local(tmp_path / "missing"))


@pytest.mark.parametrize("target", ["notes", "missing"])
def test_a_lock_that_is_a_symbolic_link_is_not_followed(tmp_path: Path, target: str) -> None:
    journal = tmp_path / "journal"
    journal.mkdir()
    (tmp_path / "notes").write_text("mine")
    (journal / "lock").symlink_to(tmp_path / target)
    with pytest.raises(OSError, match="symbolic link, which is not followed: remove it") as caught:
        DirectoryLock(local(journal))
    assert f"'{journal / 'lock'}'" in str(caught.value)
    assert "mine" == (tmp_path / "notes").read_text()
    assert not (tmp_path / "missing").exists()
