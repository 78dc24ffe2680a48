"""A local directory as the store, for a single machine without S3 and for evaluation."""

import contextlib
import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from storage.filesystem import FileSystem, remove_if_exists, write_new
from storage.stores.store import DEFAULT_MAX_GET_BYTES, ObjectTooLarge, StoredObject, StoreError

_CHUNK_BYTES = 256 * 1024

# Readers of the directory skip names that begin with a dot.
_TEMPORARY = ".incomplete"


class DirectoryStore:
    """Objects as files below `root`; a file is complete and synced before its name appears."""

    def __init__(
        self, fs: FileSystem, root: Path, max_get_bytes: int = DEFAULT_MAX_GET_BYTES
    ) -> None:
        self._fs = fs
        self._root = root
        self._max_get_bytes = max_get_bytes

    def put(self, item: StoredObject) -> bool:
        """See `Store.put`."""
        with _as_store_error():
            return self._put(item)

    def _put(self, item: StoredObject) -> bool:
        if item.md5 is not None and item.md5 != _digest(item, hashlib.md5(usedforsecurity=False)):
            raise StoreError("BadDigest", "the body does not match its MD5", permanent=False)
        target = self._root / item.key
        temporary = self._root / _TEMPORARY / _temporary_name(item)
        self._fs.make_directory(target.parent)
        self._fs.make_directory(temporary.parent)
        self._write(temporary, item)
        is_new = True
        if item.create_only:
            is_new = self._create(temporary, target)
        else:
            self._fs.rename(temporary, target)
        self._fs.sync_directory(target.parent)
        return is_new

    def _create(self, temporary: Path, target: Path) -> bool:
        try:
            self._fs.rename_new(temporary, target)
        except FileExistsError:
            self._fs.remove(temporary)
            return False
        return True

    def _write(self, path: Path, item: StoredObject) -> None:
        remove_if_exists(self._fs, path)
        with item.open() as body:
            write_new(self._fs, path, iter(partial(body.read, _CHUNK_BYTES), b""))

    def get(self, key: str) -> bytes:
        """See `Store.get`."""
        with _as_store_error(), self._fs.open_read(self._root / key) as body:
            content = body.read(self._max_get_bytes + 1)
            if len(content) > self._max_get_bytes:
                raise ObjectTooLarge(self._max_get_bytes)
            return content

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        with _as_store_error():
            self._fs.remove(self._root / key)

    def describe(self) -> str:
        """See `Store.describe`."""
        return str(self._root)


def _temporary_name(item: StoredObject) -> str:
    """Return one name for all attempts, so that an interrupted one leaves no file for good.

    The name depends on the body too: different bodies for one key never share a file.
    """
    return _digest(item, hashlib.sha256(item.key.encode())).hex()[:40]


def _digest(item: StoredObject, digest: "hashlib._Hash") -> bytes:
    with item.open() as body:
        while chunk := body.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.digest()


@contextlib.contextmanager
def _as_store_error() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        permanent = isinstance(error, PermissionError | NotADirectoryError | IsADirectoryError)
        raise StoreError(type(error).__name__, str(error), permanent=permanent) from error
