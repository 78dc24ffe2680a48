"""The port to a store: where objects go."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What is put into a store. Immutable: every attempt sends the same bytes.

    `open` gives the body, `size` bytes long, from its start. With `create_only` an object that
    is at the key already stays as it is.
    """

    key: str
    content_type: str
    size: int
    open: Callable[[], BinaryIO]
    create_only: bool = False


class StoreError(Exception):
    """The store did not confirm that it holds the object; it may hold it all the same.

    `permanent` if it will not get better before somebody repairs something, such as a
    missing bucket or a denied permission; `code` is the store's own word for the cause.
    """

    def __init__(self, code: str, message: str, *, permanent: bool) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.permanent = permanent


class Store(Protocol):
    """A place for objects. The methods block and may be called from several threads."""

    def put(self, item: StoredObject) -> bool:
        """Store an object, replacing one with the same key unless it is `create_only`.

        On return the store has acknowledged it, or, if the result is False, said that there is
        an object at the key already, which was left alone. StoreError means that it may or may
        not be stored; putting it again is right.
        """

    def get(self, key: str) -> bytes:
        """An object's body; StoreError if it is not there or may not be read."""

    def delete(self, key: str) -> None:
        """Remove an object; StoreError if that is not permitted."""

    def describe(self) -> str:
        """Where objects go, for people: `s3://bucket/…` or a directory."""
