"""The trial of the store: each promise on which the server takes the store's word, put to the test.

The trial leaves nothing that a reader of the partitions would take for an event, even if it may not
delete its probe: the probe is in the partition of a day that no event has (`validation/EVENTS.md`),
its name begins with an underscore, which Athena and Spark skip, and its body is white space, which
others read as no rows.
"""

import hashlib
import io
import random
from collections.abc import Callable, Iterator
from functools import partial

from journal_tools.findings import Finding, advice
from storage.stores.store import Store, StoredObject, StoreError

# No zero leads in it, from which DuckDB would infer that the partitions of others are texts.
_PROBE_KEY = "{prefix}/year=1970/month=12/day=31/_probe.json"
_PROBE_BITS = 128

_NOT_PERMITTED = frozenset({"AccessDenied", "403", "PermissionError"})
_WRONG_DIGEST = frozenset({"BadDigest", "InvalidDigest", "400"})


def check_store(
    open_store: Callable[[], Store], prefix: str, conditional_writes: str = "auto"
) -> Iterator[Finding]:
    """Put a probe, try what the store promises of it, and delete it if that is permitted.

    The server has to put objects, and nothing else: a permission to read or delete is not required.
    `conditional_writes` is the setting.
    """
    try:
        store = open_store()
    except StoreError as error:
        yield Finding(False, f"store: cannot be used: {error}{advice(error)}")
        return
    trial = _Trial(store, _PROBE_KEY.format(prefix=prefix))
    put = trial.put()
    yield put
    if put.ok:
        yield trial.put_with_a_wrong_checksum()
        yield trial.put_again(conditional_writes)
        yield trial.read_back()
        yield trial.clean_up()


class _Trial:
    """The probe of one trial; `_expected` is the last body that the store took."""

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key
        self._where = f"{store.describe()}/{key}"
        self._expected = b""

    def put(self) -> Finding:
        """Put the probe; the store has to acknowledge it."""
        try:
            self._put(_probe_body())
        except StoreError as error:
            text = f"store: {self._where} cannot be put: {error}{advice(error)}"
            return Finding(False, text)
        return Finding(True, f"store: {self._where} was put and acknowledged")

    def put_with_a_wrong_checksum(self) -> Finding:
        """Put another body with a wrong MD5, which the store has to refuse."""
        try:
            self._put(_probe_body(), md5=hashlib.md5(b"other", usedforsecurity=False).digest())
        except StoreError as error:
            if error.code in _WRONG_DIGEST:
                return Finding(True, "store: a body with a wrong checksum is refused")
            return _not_tried("a wrong checksum", error)
        text = (
            "store: a body with a wrong checksum (Content-MD5) is not refused, so a body that "
            "changes on its way is stored as it arrives -- use https, which protects it too"
        )
        return Finding(True, text, warns=True)

    def put_again(self, conditional_writes: str) -> Finding:
        """Put another body on the condition that the key is free, which the store has to refuse."""
        try:
            is_replaced = self._put(_probe_body(), create_only=True)
        except StoreError as error:
            if conditional_writes == "on":
                text = f"store: If-None-Match is not supported: {error} -- "
                return Finding(False, f"{text}set S3_CONDITIONAL_WRITES to auto")
            return _not_tried("If-None-Match", error)
        if not is_replaced:
            return Finding(True, "store: an existing object is not replaced (If-None-Match)")
        return _replaced(conditional_writes)

    def _put(self, body: bytes, *, md5: bytes | None = None, create_only: bool = False) -> bool:
        opened = partial(io.BytesIO, body)
        is_new = self._store.put(
            StoredObject(self._key, "application/json", len(body), opened, create_only, md5)
        )
        if is_new:
            self._expected = body
        return is_new

    def read_back(self) -> Finding:
        """Read the probe; it has to be the last body that was not refused."""
        try:
            found = self._store.get(self._key)
        except StoreError as error:
            if error.code not in _NOT_PERMITTED:
                text = f"store: the probe cannot be read back: {error}{advice(error)}"
                return Finding(False, text)
            text = f"store: reading is not permitted, which is fine ({error.code}); but an event"
            text = f"{text} whose key may be its own earlier attempt's is copied to _unverified/"
            return Finding(True, text)
        if found != self._expected:
            text = "store: the probe was read back with other bytes: do not use this store"
            return Finding(False, text)
        return Finding(True, "store: the probe was read back unchanged")

    def clean_up(self) -> Finding:
        """Delete the probe."""
        try:
            self._store.delete(self._key)
        except StoreError as error:
            if error.code not in _NOT_PERMITTED:
                text = f"store: the probe cannot be deleted: {error}{advice(error)}"
                return Finding(False, text)
            text = f"store: deleting is not permitted, which is fine ({error.code});"
            return Finding(True, f"{text} {self._where} stays, and no reader sees an event in it")
        return Finding(True, "store: the probe was deleted")


def _probe_body() -> bytes:
    """Return white space that nobody has seen before."""
    return "".join(random.choices(" \n", k=_PROBE_BITS)).encode()


def _not_tried(what: str, error: StoreError) -> Finding:
    return Finding(True, f"store: {what} could not be tried: {error}{advice(error)}", warns=True)


def _replaced(conditional_writes: str) -> Finding:
    if conditional_writes == "off":
        text = "store: an existing object is replaced, as S3_CONDITIONAL_WRITES=off asks for"
        return Finding(True, text)
    text = (
        "store: an existing object is replaced (If-None-Match is ignored), so an event under a "
        "guessed or repeated event_id replaces the one that was stored -- use "
        "OBJECT_LAYOUT=batch, or a store that supports conditional writes"
    )
    return Finding(conditional_writes != "on", text, warns=True)
