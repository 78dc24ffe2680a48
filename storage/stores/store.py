"""The port to a store, which holds the delivered objects."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from logs.secrets import shown

_MAX_CODE_CHARS = 100

# Eight events of the default size.
DEFAULT_MAX_GET_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object to put into a store. Immutable: every attempt sends the same bytes.

    `open` opens the body, `size` bytes long, at its start. With `create_only`, an object that is
    already at the key is kept. `md5` is the digest of the body; it is computed if it is None.
    """

    key: str
    content_type: str
    size: int
    open: Callable[[], BinaryIO]
    create_only: bool = False
    md5: bytes | None = None


class StoreError(Exception):
    """The store did not confirm that it has the object, although it may have it.

    `permanent` means that retries fail until somebody repairs something, such as a missing bucket
    or a denied permission; `code` is the store's own name for the cause. Both texts are fit to
    be shown: without secrets, printable, and of bounded length, whatever the store said.
    """

    def __init__(self, code: str, message: str, *, permanent: bool) -> None:
        self.code = shown(code, _MAX_CODE_CHARS)
        super().__init__(f"{self.code}: {shown(message)}")
        self.permanent = permanent


class ObjectTooLarge(StoreError):
    """An object that is larger than an event can be."""

    def __init__(self, max_bytes: int) -> None:
        message = f"it has more than {max_bytes} bytes, which no event has"
        super().__init__("ObjectTooLarge", message, permanent=True)


class Store(Protocol):
    """A place that holds objects. Its methods block and may be called from several threads.

    Each call ends within a bounded time, scaled by the object's size, whatever the store does.
    """

    def put(self, item: StoredObject) -> bool:
        """Store an object, replacing one with the same key unless it is `create_only`.

        Return True if the store has acknowledged the object, False if it reported that an object
        is already at the key, which it kept. After a StoreError the object may or may not be
        stored, and the call should be retried. A body that does not match `md5` is refused with a
        StoreError and not stored, as far as the store verifies it.
        """

    def get(self, key: str) -> bytes:
        """Return the body of an object that is no larger than an event can be.

        Raises ObjectTooLarge if it is larger, StoreError if it does not exist or may not be read.
        """

    def delete(self, key: str) -> None:
        """Remove an object; StoreError if that is not permitted."""

    def describe(self) -> str:
        """Return the store's location for people: `s3://bucket/…` or a directory."""
