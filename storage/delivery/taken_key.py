"""Events whose key is taken: an object is in the store where theirs was to be created.

The object may be the event itself, sent by an earlier attempt or an earlier process, or a retry of
it that came after `DEDUP_WINDOW` or to another server. Or it is another event with the same id:
then this one is stored beside it, as a conflict (`FORMAT.md`, "Objects"). The store is asked which
it is; if it does not permit reading, the history of the attempts decides.

Blocks; for worker threads.
"""

from dataclasses import dataclass, field
from enum import Enum

from storage.dedup.identity import is_conflict_id, kept_identity
from storage.delivery import layout
from storage.delivery.shipment import ObjectPlan, Packer, Shipment
from storage.stores.store import ObjectTooLarge, Store, StoredObject, StoreError

_NOT_FOUND = frozenset({"NoSuchKey", "404"})


class Outcome(Enum):
    """The place of an object after it was put successfully."""

    NEW = "at its key"
    PRESENT = "at its key, where it was already"
    CONFLICT = "beside another event"
    UNVERIFIED = "unknown: a copy is where readers do not look"


@dataclass(slots=True)
class Attempts:
    """The attempts to send a segment's objects, which are named by their first offset.

    `may_have_been_sent` is True if an earlier process or an interrupted pass may have sent any.
    `maybe_stored` has objects whose attempt failed, although the store may have them, and
    `taken_by_others` those whose key was taken before their first attempt. Each object is with one
    thread at a time.
    """

    may_have_been_sent: bool
    maybe_stored: set[int] = field(default_factory=set)
    taken_by_others: set[int] = field(default_factory=set)

    def may_be_stored(self, plan: ObjectPlan) -> bool:
        """Return True if the object at the plan's key may come from one of these attempts."""
        first = plan.places[0]
        may_be = self.may_have_been_sent or first in self.maybe_stored
        return may_be and first not in self.taken_by_others


class Putter:
    """Puts objects, those of events beside others if need be."""

    def __init__(self, packer: Packer, store: Store) -> None:
        self._packer = packer
        self._store = store

    def put(self, shipment: Shipment, plan: ObjectPlan, attempts: Attempts) -> Outcome:
        """Put an object. Raises StoreError or OSError; then the call should be repeated."""
        item = self._packer.pack(shipment, plan)
        if self._store.put(item):
            return Outcome.NEW
        line = _content(item)
        if is_conflict_id(layout.address(line).event_id):
            return Outcome.PRESENT
        present = self._read(item.key)
        if present is not None and kept_identity(present) == kept_identity(line):
            return Outcome.PRESENT
        if present is None and attempts.may_be_stored(plan):
            self._store.put(self._packer.pack_beside(shipment, line, is_hidden=True))
            return Outcome.UNVERIFIED
        attempts.taken_by_others.add(plan.places[0])
        self._store.put(self._packer.pack_beside(shipment, line))
        return Outcome.CONFLICT

    def _read(self, key: str) -> bytes | None:
        """Return an object, or None if the store does not permit it.

        An object that is too large for an event is returned as an empty one.
        """
        try:
            return self._store.get(key)
        except ObjectTooLarge:
            return b""
        except StoreError as error:
            if not error.permanent or error.code in _NOT_FOUND:
                raise
            return None


def _content(item: StoredObject) -> bytes:
    with item.open() as body:
        return body.read()
