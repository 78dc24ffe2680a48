"""The uploader: one sealed segment to the store, for as long as it takes.

Invariants:

- A segment is deleted only after the store has acknowledged every object of it.
- An attempt sends immutable bytes; what is left to send changes only after a success.
- Nothing is given up: a failed object is tried again until it is stored, however long.

For the event loop's thread; reading, compressing and sending run in worker threads.
"""

import asyncio
import contextlib
import logging
import os
import random
import sys
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from logs.events import get_logger
from storage.delivery.backoff import PERMANENT, TRANSIENT
from storage.delivery.shipment import Packer, Part, SegmentVanished, Shipment
from storage.journal.segment import SealedSegment
from storage.stores.store import Store, StoreError

_log = get_logger(__name__)

_T = TypeVar("_T")

# At 10 a thread still gets a tenth of a core that others fight for.
_NICER_BY = 10
_NICEST = 19


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and chance, as the shipper uses them.

    `now` is in Unix seconds, `monotonic` in seconds from anywhere, `random` from 0 up to 1.
    """

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class DeliveryFailure:
    """The last failed attempt: when, in Unix seconds, and what the store said."""

    at: float
    code: str
    message: str
    permanent: bool


@dataclass(slots=True)
class _Round:
    """One pass over what is left of a shipment; it ends at the first failure.

    `already_in_store` counts objects that the store had before anything was sent, `sent` has the
    first offsets of parts that failed and may be stored all the same.
    """

    parts: deque[Part]
    sent: set[int]
    already_in_store: int = 0
    delivered: int = 0
    failure: StoreError | OSError | None = None

    def next(self) -> Part | None:
        if self.failure is not None or not self.parts:
            return None
        return self.parts.popleft()

    def succeed(self, part: Part, is_new: bool) -> None:
        self.delivered += 1
        if not is_new and part.offsets[0] not in self.sent:
            self.already_in_store += 1

    def fail(self, part: Part, failure: StoreError | OSError) -> None:
        self.sent.add(part.offsets[0])
        self.parts.append(part)
        self.failure = failure


class Uploader:
    """Delivers segments with at most `concurrency` objects of each on their way at once."""

    def __init__(self, packer: Packer, store: Store, concurrency: int, clock: Clock) -> None:
        self._packer = packer
        self._store = store
        self._concurrency = concurrency
        self._clock = clock
        self._threads = ThreadPoolExecutor(
            concurrency, thread_name_prefix="shipper", initializer=_lower_priority
        )
        self._loop = asyncio.get_running_loop()
        self.already_in_store = 0
        self.last_delivery_at: float | None = None
        self.last_failure: DeliveryFailure | None = None

    def close(self) -> None:
        """Begin nothing more. A thread that sends an object may outlive this call."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def deliver(self, segment: SealedSegment) -> Shipment:
        """Put a segment's objects into the store, then delete it.

        SegmentVanished if somebody else removed it before it was delivered.
        """
        started = self._clock.monotonic()
        shipment = await self._until_it_works(segment, self._send_all)
        await self._until_it_works(segment, lambda _: self._discard(shipment))
        self._report(shipment, self._clock.monotonic() - started)
        return shipment

    async def _until_it_works(
        self, segment: SealedSegment, step: Callable[[SealedSegment], Awaitable[_T]]
    ) -> _T:
        attempt = 0
        while True:
            try:
                return await step(segment)
            except SegmentVanished:
                raise
            except Exception as error:
                attempt += 1
                self._failed(type(error).__name__, str(error), permanent=False)
                delay_s = PERMANENT.delay_s(attempt, self._clock.random)
                _log.error(
                    "segment cannot be shipped",
                    segment=segment.name.id,
                    cause=str(error),
                    attempt=attempt,
                    retry_in_s=round(delay_s, 1),
                    exc_info=None if isinstance(error, OSError) else error,
                )
                await self._clock.sleep(delay_s)

    async def _discard(self, shipment: Shipment) -> None:
        await self.in_thread(partial(self._packer.discard, shipment))

    async def _send_all(self, segment: SealedSegment) -> Shipment:
        shipment = await self.in_thread(partial(self._packer.open_shipment, segment))
        parts = deque(shipment.parts())
        sent: set[int] = set()
        attempt = 0
        while parts:
            done = await self._round(shipment, _Round(parts, sent))
            self.already_in_store += done.already_in_store
            _report_already_in_store(shipment, done.already_in_store)
            if isinstance(done.failure, OSError):
                raise done.failure
            if done.failure is not None:
                attempt = 1 if done.delivered else attempt + 1
                await self._wait_after(done.failure, shipment, attempt)
        return shipment

    async def _round(self, shipment: Shipment, this: _Round) -> _Round:
        senders = min(self._concurrency, len(this.parts))
        await asyncio.gather(*(self._send(shipment, this) for _ in range(senders)))
        return this

    async def _send(self, shipment: Shipment, this: _Round) -> None:
        while (part := this.next()) is not None:
            try:
                is_new = await self.in_thread(partial(self._put, shipment, part))
            except (StoreError, OSError) as failure:
                this.fail(part, failure)
            else:
                this.succeed(part, is_new)
                self.last_delivery_at = self._clock.now()

    def _put(self, shipment: Shipment, part: Part) -> bool:
        return self._store.put(self._packer.pack(shipment, part))

    async def _wait_after(self, failure: StoreError, shipment: Shipment, attempt: int) -> None:
        backoff = PERMANENT if failure.permanent else TRANSIENT
        delay_s = backoff.delay_s(attempt, self._clock.random)
        self._failed(failure.code, str(failure), failure.permanent)
        _log.log(
            logging.ERROR if failure.permanent else logging.WARNING,
            "delivery failed",
            segment=shipment.segment.name.id,
            code=failure.code,
            cause=str(failure),
            permanent=failure.permanent,
            attempt=attempt,
            retry_in_s=round(delay_s, 1),
        )
        await self._clock.sleep(delay_s)

    def _failed(self, code: str, cause: str, permanent: bool) -> None:
        self.last_failure = DeliveryFailure(self._clock.now(), code, cause, permanent)

    def _report(self, shipment: Shipment, took_s: float) -> None:
        _log.info(
            "segment delivered",
            segment=shipment.segment.name.id,
            events=shipment.events,
            objects=shipment.objects,
            bytes=shipment.segment.size,
            seconds=round(took_s, 3),
            damaged=shipment.damaged or None,
        )

    async def in_thread(self, call: Callable[[], _T]) -> _T:
        """Run what blocks in a worker thread."""
        return await self._loop.run_in_executor(self._threads, call)


# Where cores are scarce, requests come first: with the same priority as the event loop, these
# threads make one answer in a hundred almost twice as late while a backlog is shipped. On Linux a
# thread has a priority of its own (setpriority(2), "C library/kernel differences").
def _lower_priority() -> None:
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    # A sandbox may forbid it, and then shipping goes on as it is.
    with contextlib.suppress(OSError):
        niceness = os.getpriority(os.PRIO_PROCESS, thread) + _NICER_BY
        os.setpriority(os.PRIO_PROCESS, thread, min(niceness, _NICEST))


# Of an earlier run that was killed after it had sent them, or of other events with their ids.
def _report_already_in_store(shipment: Shipment, objects: int) -> None:
    if objects:
        _log.warning(
            "objects were in the store already, and kept",
            segment=shipment.segment.name.id,
            objects=objects,
        )
