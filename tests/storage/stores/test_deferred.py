"""Promises of a store that is opened later."""

import io
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from storage.filesystem import LocalFileSystem
from storage.stores.deferred import DeferredStore
from storage.stores.directory import DirectoryStore
from storage.stores.store import Store, StoredObject, StoreError

ITEM = StoredObject("events/a.json", "application/json", 2, partial(io.BytesIO, b"{}"))


@pytest.fixture
def store(tmp_path: Path) -> DeferredStore:
    return DeferredStore(partial(DirectoryStore, LocalFileSystem(), tmp_path))


def test_calls_are_those_of_the_store_that_was_opened(store: DeferredStore, tmp_path: Path) -> None:
    store.open()
    assert store.put(ITEM)
    assert b"{}" == store.get(ITEM.key)
    store.delete(ITEM.key)
    assert [] == [each for each in tmp_path.rglob("*") if each.is_file()]
    assert str(tmp_path) == store.describe()


def test_a_call_waits_until_the_store_is_open(store: DeferredStore) -> None:
    with ThreadPoolExecutor(1) as thread:
        put = thread.submit(store.put, ITEM)
        assert not put.done()
        store.open()
        assert put.result()


def test_a_store_that_cannot_be_opened_fails_every_call() -> None:
    def fails() -> Store:
        raise StoreError("InvalidConfiguration", "no", permanent=True)

    store = DeferredStore(fails)
    with ThreadPoolExecutor(1) as thread:
        put = thread.submit(store.put, ITEM)
        with pytest.raises(StoreError):
            store.open()
        assert isinstance(put.exception(), StoreError)
    with pytest.raises(StoreError):
        store.get("a")
