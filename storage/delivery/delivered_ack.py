"""ACK=delivered: a request succeeds only when the store has acknowledged its events.

For machines whose disk does not outlive them, where durable on the local disk is not enough.
"""

import asyncio
from collections.abc import Iterable, Sequence

from storage.dedup.deduplicator import Deduplicator, Durable
from storage.delivery.shipper import Shipper
from storage.journal.backlog import Backlog
from storage.journal.journal import Journal
from storage.refusals import Refusal, Unconfirmed

_RETRY_AFTER_S = 5


class DeliveredAck:
    """Appends events and waits until they, and the duplicates among them, are delivered."""

    def __init__(
        self,
        events: Deduplicator,
        journal: Journal,
        backlog: Backlog,
        shipper: Shipper,
        timeout_s: float,
    ) -> None:
        self._events = events
        self._journal = journal
        self._backlog = backlog
        self._shipper = shipper
        self._timeout_s = timeout_s

    def refusal(self) -> Refusal | None:
        """Return the refusal that an event may get now, or None: see `Journal.refusal`."""
        return self._events.refusal()

    async def append(self, lines: Sequence[bytes], event_ids: Sequence[str | None]) -> Durable:
        """Make events durable, then wait for their delivery; see `Deduplicator.append`.

        Raises Unconfirmed if the store has not acknowledged them within the timeout.
        """
        durable = await self._events.append(lines, event_ids)
        try:
            async with asyncio.timeout(self._timeout_s):
                delivered = await self._all_delivered(durable.segments)
        except TimeoutError:
            delivered = False
        if not delivered:
            raise Unconfirmed(
                "the events are on this server's disk, and the store has not confirmed them in"
                " time; they may still be delivered",
                _RETRY_AFTER_S,
            )
        return durable

    async def _all_delivered(self, segments: Iterable[str]) -> bool:
        return all([await self._is_delivered(segment_id) for segment_id in segments])

    async def _is_delivered(self, segment_id: str) -> bool:
        if self._journal.holds(segment_id) or self._backlog.may_hold(segment_id):
            return await self._shipper.wait_for_delivery(segment_id)
        return True
