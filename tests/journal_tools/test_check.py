"""`server.py --check`, without a server; tests/server/test_command_line.py runs it whole."""

import errno
from pathlib import Path

import pytest

from journal_tools.check import Finding, check_journal, check_store
from storage.journal.directory import JournalDirectory
from storage.journal.lock import DirectoryLock
from storage.stores.store import Store, StoredObject, StoreError
from tests.storage.segments import contents, local
from tests.support.failing_filesystem import FaultyFileSystem

KEY = "a/b/_check/probe.json"


class MemoryStore:
    """A store in memory that refuses the operations in `refused` with their codes."""

    def __init__(self, **refused: str) -> None:
        self.objects: dict[str, bytes] = {}
        self.refused = refused
        self.returned: bytes | None = None

    def check(self, operation: str) -> None:
        if operation in self.refused:
            raise StoreError(self.refused[operation], "no", permanent=True)

    def put(self, item: StoredObject) -> bool:
        self.check("put")
        with item.open() as body:
            self.objects[item.key] = body.read()
        return True

    def get(self, key: str) -> bytes:
        self.check("get")
        return self.objects[key] if self.returned is None else self.returned

    def delete(self, key: str) -> None:
        self.check("delete")
        del self.objects[key]

    def describe(self) -> str:
        return "memory"


def findings(store: MemoryStore) -> list[Finding]:
    return list(check_store(lambda: store, "a/b"))


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


def test_a_probe_is_put_read_and_deleted() -> None:
    store = MemoryStore()
    assert [
        Finding(True, f"store: memory/{KEY} was put"),
        Finding(True, "store: the probe was read back unchanged"),
        Finding(True, "store: the probe was deleted"),
    ] == findings(store)
    assert {} == store.objects


@pytest.mark.parametrize("code", ["AccessDenied", "403", "PermissionError"])
def test_a_store_that_permits_only_to_put_is_fine(code: str) -> None:
    store = MemoryStore(get=code, delete=code)
    found = findings(store)
    assert [] == [each for each in found if not each.ok]
    _, get, delete = found
    assert f"reading is not permitted, which is fine ({code})" in get.text
    assert f"{KEY} stays" in delete.text


def test_a_refused_put_ends_the_check_with_advice() -> None:
    (found,) = findings(MemoryStore(put="NoSuchBucket"))
    assert not found.ok
    assert "cannot be put" in found.text
    assert "-- create the bucket, or correct S3_BUCKET_NAME" in found.text


@pytest.mark.parametrize("operation", ["get", "delete"])
def test_an_error_other_than_a_missing_permission_is_a_failure(operation: str) -> None:
    (failed,) = (each for each in findings(MemoryStore(**{operation: "SlowDown"})) if not each.ok)
    assert "SlowDown: no" in failed.text


def test_a_store_that_returns_other_bytes_than_were_put_fails_the_check() -> None:
    store = MemoryStore()
    store.returned = b"other"
    (failed,) = (each for each in findings(store) if not each.ok)
    assert "do not use this store" in failed.text


def test_a_store_that_cannot_be_opened_is_reported() -> None:
    def refuse() -> Store:
        raise StoreError("NoRegion", "set AWS_REGION", permanent=True)

    (found,) = check_store(refuse, "a/b")
    assert Finding(False, "store: cannot be used: NoRegion: set AWS_REGION") == found
