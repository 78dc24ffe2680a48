"""The shipper: takes sealed segments from the backlog and has them delivered.

Invariants:

- At most `concurrency` segments are in flight.
- Segments that are not delivered stay in the journal, and the next process ships them.

For the event loop's thread.
"""

import asyncio
from collections.abc import Callable

from logs.events import get_logger
from storage.delivery.backoff import TRANSIENT
from storage.delivery.drain_rate import DrainRate
from storage.delivery.shipment import Packer, SegmentVanished
from storage.delivery.uploader import Clock, DeliveryFailure, Uploader
from storage.journal.backlog import Backlog
from storage.journal.segment import SealedSegment
from storage.stores.store import Store

_log = get_logger(__name__)


class Shipper:
    """Ships the segments of a backlog: newest and oldest in turn, several at a time."""

    def __init__(
        self,
        backlog: Backlog,
        packer: Packer,
        store: Store,
        *,
        concurrency: int,
        clock: Clock | None = None,
    ) -> None:
        self._backlog = backlog
        self._concurrency = concurrency
        clock = clock or Clock()
        self._uploader = Uploader(packer, store, concurrency, clock)
        self._loop = asyncio.get_running_loop()
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._shipping: set[asyncio.Task[None]] = set()
        self._when_idle: set[Callable[[], None]] = set()
        self._waiters: dict[str, set[asyncio.Future[bool]]] = {}
        self._drain_rate = DrainRate(clock.monotonic)
        self._task = self._loop.create_task(self._run())
        self._work.set()

    @property
    def already_in_store(self) -> int:
        """The number of objects that the store had before they were first sent, and kept."""
        return self._uploader.already_in_store

    @property
    def late_conflicts(self) -> int:
        """The number of events that were stored beside another event with the same id."""
        return self._uploader.late_conflicts

    @property
    def unverified(self) -> int:
        """The number of events of which a hidden copy was stored, since their key was taken."""
        return self._uploader.unverified

    @property
    def last_delivery_at(self) -> float | None:
        """The time when the store last acknowledged an object, in Unix seconds."""
        return self._uploader.last_delivery_at

    @property
    def last_failure(self) -> DeliveryFailure | None:
        """The last attempt that failed."""
        return self._uploader.last_failure

    def enqueue(self, segment: SealedSegment) -> None:
        """Add a sealed segment to the backlog, to be shipped."""
        self._backlog.add(segment)
        self._work.set()

    @property
    def disk_bytes(self) -> int:
        """The disk space of all sealed segments that are not delivered, in bytes."""
        return self._backlog.disk_bytes

    @property
    def room_in_s(self) -> int:
        """The estimated number of whole seconds until a full disk has space again."""
        return self._drain_rate.seconds_until_free()

    def call_when_idle(self, call: Callable[[], None]) -> None:
        """Call once, as soon as a newly sealed segment would be shipped without waiting."""
        if len(self._shipping) + self._backlog.fresh_segments < self._concurrency:
            call()
        else:
            self._when_idle.add(call)

    async def wait_for_delivery(self, segment_id: str) -> bool:
        """Wait until a pending segment is delivered; return False if its file was removed."""
        waiter: asyncio.Future[bool] = self._loop.create_future()
        waiters = self._waiters.setdefault(segment_id, set())
        waiters.add(waiter)
        try:
            return await waiter
        finally:
            waiters.discard(waiter)
            if not waiters:
                self._waiters.pop(segment_id, None)

    async def drain(self, timeout_s: float) -> bool:
        """Wait until every sealed segment is delivered; return False after `timeout_s` seconds."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self._backlog.is_empty:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Stop. Segments that are not delivered stay in the journal until the next start.

        An object that is being sent may or may not reach the store; its thread may outlive this
        call.
        """
        tasks = [self._task, *self._shipping]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._uploader.close()

    async def _run(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while len(self._shipping) < self._concurrency:
                segment = await self._next()
                if segment is None:
                    break
                task = self._loop.create_task(self._ship(segment))
                self._shipping.add(task)
                task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._shipping.discard(task)
        self._work.set()
        calls, self._when_idle = self._when_idle, set()
        for call in calls:
            call()

    async def _next(self) -> SealedSegment | None:
        if self._backlog.has_unlisted:
            try:
                found = await self._uploader.in_thread(self._backlog.read_directory)
            except OSError as error:
                _log.error("journal cannot be listed", cause=str(error))
                self._loop.call_later(TRANSIENT.cap_s, self._work.set)
                return None
            self._backlog.relist(found)
        return self._backlog.next()

    async def _ship(self, segment: SealedSegment) -> None:
        try:
            shipment = await self._uploader.deliver(
                segment, may_have_been_sent=not self._backlog.is_fresh(segment)
            )
        except SegmentVanished:
            _log.error(
                "segment file was removed before delivery",
                segment=segment.name.id,
                events=segment.events,
            )
            self._done(segment, 0)
        else:
            self._done(segment, shipment.events)

    def _done(self, segment: SealedSegment, delivered: int) -> None:
        self._backlog.done(segment, delivered)
        self._drain_rate.add(segment.disk_bytes)
        self._idle.set()
        for waiter in self._waiters.pop(segment.name.id, set()):
            if not waiter.done():
                waiter.set_result(delivered > 0)
