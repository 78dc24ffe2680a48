"""The trial of the machine; tests/server/test_command_line.py runs `server.py --check` whole."""

import errno
from pathlib import Path

import pytest

from journal_tools.check import check_journal
from journal_tools.findings import Finding
from storage.journal.directory import JournalDirectory
from storage.journal.lock import DirectoryLock
from tests.storage.segments import contents, local
from tests.support.failing_filesystem import FaultyFileSystem


def test_a_journal_directory_is_made_tried_and_left_as_recovery_would(tmp_path: Path) -> None:
    directory = local(tmp_path / "a" / "journal")
    found = check_journal(directory)
    assert Finding(True, f"journal: {directory.path} can be written and synced") == found
    assert {"lock"} == contents(directory.path).keys()
    DirectoryLock(directory).release()


@pytest.mark.parametrize("kind", ["create", "write", "sync", "sync_directory"])
def test_a_directory_that_cannot_be_written_is_reported_and_released(
    tmp_path: Path, kind: str
) -> None:
    fs = FaultyFileSystem()
    directory = JournalDirectory(fs, tmp_path)
    fs.fail(kind, code=errno.ENOSPC)
    found = check_journal(directory)
    assert (False, True) == (found.ok, "cannot be written: [Errno 28]" in found.text)
    DirectoryLock(directory).release()


def test_a_directory_that_cannot_be_made_is_reported_with_advice(tmp_path: Path) -> None:
    fs = FaultyFileSystem()
    fs.fail("make_directory", code=errno.EACCES)
    found = check_journal(JournalDirectory(fs, tmp_path))
    assert not found.ok
    assert "cannot be used" in found.text
    assert "-- let the user that runs the server write there" in found.text


def test_a_directory_that_a_server_uses_is_reported(tmp_path: Path) -> None:
    directory = local(tmp_path)
    lock = DirectoryLock(directory)
    found = check_journal(directory)
    lock.release()
    assert not found.ok
    assert "stop that process, or set another JOURNAL_DIR" in found.text
