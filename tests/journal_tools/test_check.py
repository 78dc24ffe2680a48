"""The trial of the machine; tests/server/test_command_line.py runs `server.py --check` whole."""

import errno
import socket
from pathlib import Path

import pytest

from journal_tools.check import (
    check_file_system,
    check_host,
    check_journal,
    check_permissions,
)
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


def test_a_lock_that_is_a_symbolic_link_is_reported(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "other")
    found = check_journal(local(tmp_path))
    assert not found.ok
    assert f"which is not followed: remove it: '{tmp_path / 'lock'}'" in found.text


@pytest.mark.parametrize("file_system", ["tmpfs", "overlay", "nfs4"])
def test_a_journal_that_is_on_no_local_disk_is_a_warning(tmp_path: Path, file_system: str) -> None:
    mounts = f"1 0 0:1 / / rw - {file_system} none rw"
    (found,) = check_file_system(local(tmp_path), mounts)
    assert "WARN" == found.label
    assert f"journal: {tmp_path} is on {file_system}, " in found.text
    assert "-- set JOURNAL_DIR to a directory on a local disk" in found.text


@pytest.mark.parametrize("mounts", ["1 0 0:1 / / rw - ext4 /dev/vda rw", ""])
def test_a_journal_on_a_local_disk_needs_no_warning(tmp_path: Path, mounts: str) -> None:
    assert [] == list(check_file_system(local(tmp_path), mounts))


def test_a_journal_that_others_may_write_to_is_a_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o775)
    (found,) = check_permissions(local(tmp_path))
    assert "WARN" == found.label
    assert (
        f"journal: {tmp_path} has mode 0775: its group may remove, replace or add events "
        f"-- run `chmod go-w {tmp_path}`"
    ) == found.text
    tmp_path.chmod(0o755)
    assert [] == list(check_permissions(local(tmp_path)))


@pytest.mark.parametrize("host", ["", "127.0.0.1", "localhost"])
def test_the_server_can_listen_at_an_address_of_this_machine(host: str) -> None:
    assert "ok" == check_host(host).label


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


# 192.0.2.0/24 is for documentation (RFC 5737).
@pytest.mark.parametrize("host", ["192.0.2.1", "x86_64-conda-linux-gnu"])
def test_an_address_of_another_machine_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    resolve_to(monkeypatch, "192.0.2.1")
    found = check_host(host)
    assert "FAIL" == found.label
    assert f"HOST is {host}, no address of this machine" in found.text
    assert "shells and CI systems set HOST" in found.text


def test_a_name_that_nobody_knows_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    found = check_host("x86_64-conda-linux-gnu")
    assert "FAIL" == found.label
    assert "HOST is x86_64-conda-linux-gnu, not a known name" in found.text
    assert "-- unset it" in found.text


def test_a_machines_own_name_that_is_loopback_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "127.0.0.1")
    found = check_host("my-laptop")
    assert "WARN" == found.label
    assert "only programs on this machine can reach" in found.text
