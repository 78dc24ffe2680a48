"""A store that is opened after the server listens: to load boto3 takes longer than all the rest.

Until then calls wait, in the worker threads that make them; events are made durable meanwhile.
"""

from collections.abc import Callable
from concurrent.futures import Future

from storage.stores.store import Store, StoredObject


class DeferredStore:
    """A store whose methods wait until `open` was called, in whichever thread."""

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._open_store = open_store
        self._store: Future[Store] = Future()

    def open(self) -> None:
        """Open the store; call it once. Blocks.

        Raises StoreError if it cannot be used at all; the calls that wait for it raise it too.
        """
        try:
            self._store.set_result(self._open_store())
        except BaseException as error:
            self._store.set_exception(error)
            raise

    def put(self, item: StoredObject) -> bool:
        """See `Store.put`."""
        return self._store.result().put(item)

    def get(self, key: str) -> bytes:
        """See `Store.get`."""
        return self._store.result().get(key)

    def delete(self, key: str) -> None:
        """See `Store.delete`."""
        self._store.result().delete(key)

    def describe(self) -> str:
        """See `Store.describe`."""
        return self._store.result().describe()
