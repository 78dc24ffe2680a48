import errno
import hashlib
import io
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest

from storage.filesystem import LocalFileSystem
from storage.stores.directory import DirectoryStore
from storage.stores.store import DEFAULT_MAX_GET_BYTES, ObjectTooLarge, StoredObject, StoreError
from tests.storage.segments import contents
from tests.support.failing_filesystem import FaultyFileSystem
from tests.support.fault_policies import Fault

KEY = "events/year=2026/month=11/day=23/a.json"
BODY = bytes(range(256)) * 2500


def item(body: bytes = BODY, key: str = KEY) -> StoredObject:
    return StoredObject(key, "application/json", len(body), partial(io.BytesIO, body))


def visible(root: Path) -> dict[str, bytes]:
    """Return the files that a reader finds if it skips hidden names."""
    found = contents(root).items()
    return {path: raw for path, raw in found if not path.startswith(".")}


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(LocalFileSystem(), tmp_path / "store")


def test_an_object_is_a_file_at_its_key(store: DirectoryStore, tmp_path: Path) -> None:
    store.put(item())
    assert {KEY: BODY} == contents(tmp_path / "store")


def test_an_object_is_read_back_and_deleted(store: DirectoryStore, tmp_path: Path) -> None:
    store.put(item())
    assert store.get(KEY) == BODY
    store.delete(KEY)
    assert contents(tmp_path / "store") == {}


def test_an_object_larger_than_any_event_is_not_read(store: DirectoryStore) -> None:
    store.put(item(b"x" * DEFAULT_MAX_GET_BYTES))
    assert DEFAULT_MAX_GET_BYTES == len(store.get(KEY))
    store.put(item(b"x" * (DEFAULT_MAX_GET_BYTES + 1)))
    with pytest.raises(ObjectTooLarge):
        store.get(KEY)


def test_an_empty_object_is_stored(store: DirectoryStore) -> None:
    store.put(item(b""))
    assert store.get(KEY) == b""


def test_putting_an_object_twice_is_the_same_as_once(store: DirectoryStore, tmp_path: Path) -> None:
    store.put(item())
    store.put(item())
    assert {KEY: BODY} == contents(tmp_path / "store")


def test_an_object_that_must_not_be_replaced_stays(store: DirectoryStore, tmp_path: Path) -> None:
    first, second = (replace(item(body), create_only=True) for body in (BODY, b"other"))
    assert store.put(first)
    assert not store.put(second)
    assert {KEY: BODY} == contents(tmp_path / "store")


def test_an_object_with_the_same_key_is_replaced(store: DirectoryStore, tmp_path: Path) -> None:
    store.put(item())
    store.put(item(b"other"))
    assert {KEY: b"other"} == contents(tmp_path / "store")


def test_an_object_is_synced_before_its_name_appears(tmp_path: Path) -> None:
    fs = FaultyFileSystem()
    DirectoryStore(fs, tmp_path).put(item())
    order = ["create", "sync", "close", "rename", "sync_directory"]
    assert order == [call for call in fs.calls if call in order]


FAULTS = [
    ("make_directory", 1),
    ("make_directory", 2),
    ("create", 1),
    ("write", 1),
    ("write", 2),
    ("write", 3),
    ("sync", 1),
    ("close", 1),
    ("rename", 1),
]


@pytest.mark.parametrize(("kind", "call"), FAULTS)
def test_an_object_that_cannot_be_written_is_not_seen(tmp_path: Path, kind: str, call: int) -> None:
    fs = FaultyFileSystem([Fault(kind, call, errno=errno.ENOSPC, partial=5)])
    with pytest.raises(StoreError, match="No space left") as caught:
        DirectoryStore(fs, tmp_path).put(item())
    assert not caught.value.permanent
    assert visible(tmp_path) == {}


@pytest.mark.parametrize(("kind", "call"), [*FAULTS, ("sync_directory", 1)])
def test_the_attempt_after_a_failure_leaves_the_object_alone(
    tmp_path: Path, kind: str, call: int
) -> None:
    store = DirectoryStore(FaultyFileSystem([Fault(kind, call, partial=5)]), tmp_path)
    with pytest.raises(StoreError):
        store.put(item())
    store.put(item())
    assert {KEY: BODY} == contents(tmp_path)


@pytest.mark.parametrize(("kind", "call"), FAULTS)
def test_a_failed_replacement_leaves_the_object_that_was_there(
    tmp_path: Path, kind: str, call: int
) -> None:
    DirectoryStore(LocalFileSystem(), tmp_path).put(item(b"first"))
    store = DirectoryStore(FaultyFileSystem([Fault(kind, call, partial=5)]), tmp_path)
    with pytest.raises(StoreError):
        store.put(item())
    assert {KEY: b"first"} == visible(tmp_path)


class Tearing(io.BytesIO):
    """A body whose disk fails after its first bytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            raise OSError(errno.EIO, "Input/output error")
        return super().read(10)


@pytest.mark.parametrize("good_reads", [0, 1])
def test_a_body_that_cannot_be_read_leaves_nothing_to_see(
    store: DirectoryStore, tmp_path: Path, good_reads: int
) -> None:
    bodies = iter([*[io.BytesIO(BODY)] * good_reads, Tearing(BODY)])

    def body() -> BinaryIO:
        return next(bodies)

    with pytest.raises(StoreError, match="Input/output"):
        store.put(StoredObject(KEY, "application/json", len(BODY), body))
    assert visible(tmp_path / "store") == {}


def test_a_missing_object_is_an_error_that_names_it(store: DirectoryStore) -> None:
    for call in (store.get, store.delete):
        with pytest.raises(StoreError, match=r"a\.json") as caught:
            call(KEY)
        assert caught.value.code == "FileNotFoundError"


def test_a_directory_in_the_way_is_a_store_error(store: DirectoryStore, tmp_path: Path) -> None:
    (tmp_path / "store" / KEY).mkdir(parents=True)
    with pytest.raises(StoreError) as caught:
        store.put(item())
    assert caught.value.code == "IsADirectoryError"


def test_large_bodies_are_copied_in_pieces(tmp_path: Path) -> None:
    fs = FaultyFileSystem()
    body = bytes(1024 * 1024)
    store = DirectoryStore(fs, tmp_path)
    store.put(item(body))
    assert fs.calls.count("write") == 4
    assert hashlib.sha256(body).digest() == hashlib.sha256(store.get(KEY)).digest()


def test_the_description_is_the_location_of_the_objects(
    store: DirectoryStore, tmp_path: Path
) -> None:
    assert store.describe() == str(tmp_path / "store")
