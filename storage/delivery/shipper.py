"""The shipper: which sealed segment is delivered when, and who hears of it.

Invariants:

- At most `concurrency` segments are on their way.
- What is not delivered stays in the journal; the next process begins where this one ended.

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
    """Takes segments from the backlog, puts their objects into the store, deletes them."""

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
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._shipping: set[asyncio.Task[None]] = set()
        self._when_idle: set[Callable[[], None]] = set()
        self._waiters: dict[str, set[asyncio.Future[bool]]] = {}
        self._drain_rate = DrainRate(clock.monotonic)
        self._task = self._loop.create_task(self._run())
        self._wanted.set()

    @property
    def already_in_store(self) -> int:
        """Objects that the store had before they were first sent, and that were left alone."""
        return self._uploader.already_in_store

    @property
    def last_delivery_at(self) -> float | None:
        """When the store last acknowledged an object, in Unix seconds."""
        return self._uploader.last_delivery_at

    @property
    def last_failure(self) -> DeliveryFailure | None:
        """The last attempt that failed."""
        return self._uploader.last_failure

    def enqueue(self, segment: SealedSegment) -> None:
        """Ship a segment that nobody will change again."""
        self._backlog.add(segment)
        self._wanted.set()

    @property
    def disk_bytes(self) -> int:
        """The disk space of what is sealed and not delivered."""
        return self._backlog.disk_bytes

    @property
    def room_in_s(self) -> int:
        """When there will be room on a full disk, as far as can be told: whole seconds."""
        return self._drain_rate.room_in_s()

    def call_when_idle(self, call: Callable[[], None]) -> None:
        """Call as soon as a segment that is sealed would be shipped at once; now, if it would."""
        if len(self._shipping) + self._backlog.fresh_segments < self._concurrency:
            call()
        else:
            self._when_idle.add(call)

    async def delivery_of(self, segment_id: str) -> bool:
        """Wait until a segment that is not delivered yet is; False if its file vanished."""
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
        """Wait until everything sealed is delivered, at most `timeout_s`; whether it is."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self._backlog.is_empty:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Stop. What is not delivered stays in the journal and is shipped at the next start.

        An object that is being sent right now may or may not reach the store; its thread
        may outlive this call.
        """
        tasks = [self._task, *self._shipping]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._uploader.close()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while len(self._shipping) < self._concurrency:
                segment = await self._next()
                if segment is None:
                    break
                task = self._loop.create_task(self._ship(segment))
                self._shipping.add(task)
                task.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[None]) -> None:
        self._shipping.discard(task)
        self._wanted.set()
        calls, self._when_idle = self._when_idle, set()
        for call in calls:
            call()

    async def _next(self) -> SealedSegment | None:
        if self._backlog.has_unlisted:
            try:
                found = await self._uploader.in_thread(self._backlog.read_directory)
            except OSError as error:
                _log.error("journal cannot be listed", cause=str(error))
                self._loop.call_later(TRANSIENT.cap_s, self._wanted.set)
                return None
            self._backlog.relist(found)
        return self._backlog.next()

    async def _ship(self, segment: SealedSegment) -> None:
        try:
            shipment = await self._uploader.deliver(segment)
        except SegmentVanished:
            _log.error(
                "segment vanished before it was delivered",
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
