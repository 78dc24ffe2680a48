"""The delivery of a sealed segment to the store, with retries until it succeeds.

Invariants:

- A segment is deleted only after the store has acknowledged all of its objects.
- An attempt sends immutable bytes; an object leaves the list of pending ones only after a success.
- Nothing is given up: a failed object is retried until the store has it, however long that takes.

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
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from logs.events import get_logger
from logs.secrets import shown
from storage.delivery.backoff import PERMANENT, TRANSIENT
from storage.delivery.shipment import ObjectPlan, Packer, SegmentVanished, Shipment
from storage.delivery.taken_key import Attempts, Outcome, Putter
from storage.journal.segment import SealedSegment
from storage.stores.store import Store, StoreError

_log = get_logger(__name__)

_T = TypeVar("_T")

# At 10 a thread still gets a tenth of a contended core.
_NICENESS_ADDED = 10
_MAX_NICENESS = 19

# A store limits its uploads itself. What else may wait in them, such as a program that is to print
# credentials or a network file system, is at least reported.
STALLED_S = 300.0


@dataclass(frozen=True, slots=True)
class Clock:
    """Sources of time and randomness, replaceable in tests.

    `now` returns Unix seconds, `monotonic` seconds since an arbitrary moment, `random` a number
    from 0 up to, but not including, 1.
    """

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class DeliveryFailure:
    """A failed attempt: its time in Unix seconds and the error of the store."""

    at: float
    code: str
    message: str
    permanent: bool


@dataclass(slots=True)
class _Pass:
    """One pass over the pending objects of a shipment, which ends at the first failure.

    `already_in_store` counts objects that the store had before any attempt, `late_conflicts` those
    that were stored beside another event, `unverified` those of which a copy was made because
    nobody could find out.
    """

    pending: deque[ObjectPlan]
    attempts: Attempts
    already_in_store: int = 0
    late_conflicts: int = 0
    unverified: int = 0
    delivered: int = 0
    failure: StoreError | OSError | None = None

    def next(self) -> ObjectPlan | None:
        if self.failure is not None or not self.pending:
            return None
        return self.pending.popleft()

    def succeed(self, plan: ObjectPlan, outcome: Outcome) -> None:
        self.delivered += 1
        self.late_conflicts += outcome is Outcome.CONFLICT
        self.unverified += outcome is Outcome.UNVERIFIED
        if outcome is Outcome.PRESENT and plan.places[0] not in self.attempts.maybe_stored:
            self.already_in_store += 1

    def fail(self, plan: ObjectPlan, failure: StoreError | OSError) -> None:
        self.attempts.maybe_stored.add(plan.places[0])
        self.pending.append(plan)
        self.failure = failure


class Uploader:
    """Delivers segments, with at most `concurrency` objects in flight."""

    def __init__(self, packer: Packer, store: Store, concurrency: int, clock: Clock) -> None:
        self._packer = packer
        self._putter = Putter(packer, store)
        self._concurrency = concurrency
        self._clock = clock
        self._threads = ThreadPoolExecutor(
            concurrency, thread_name_prefix="uploader", initializer=_lower_priority
        )
        self._loop = asyncio.get_running_loop()
        self.already_in_store = 0
        self.late_conflicts = 0
        self.unverified = 0
        self.last_delivery_at: float | None = None
        self.last_failure: DeliveryFailure | None = None

    def close(self) -> None:
        """Start no more work. A thread that is sending an object may outlive this call."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def deliver(self, segment: SealedSegment, *, may_have_been_sent: bool) -> Shipment:
        """Put a segment's objects into the store, then delete the segment.

        `may_have_been_sent` says that an earlier process may have sent some of them. Raises
        SegmentVanished if somebody else removed the segment before it was delivered.
        """
        started = self._clock.monotonic()
        attempts = Attempts(may_have_been_sent)
        shipment = await self._retry(segment, partial(self._send_all, attempts=attempts))
        await self._retry(segment, lambda _: self._discard(shipment))
        self._report(shipment, self._clock.monotonic() - started)
        return shipment

    async def _retry(
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
                cause = shown(str(error))
                self._note_failure(type(error).__name__, cause, permanent=False)
                delay_s = PERMANENT.delay_s(attempt, self._clock.random)
                _log.error(
                    "segment cannot be shipped",
                    segment=segment.name.id,
                    cause=cause,
                    attempt=attempt,
                    retry_in_s=round(delay_s, 1),
                    exc_info=None if isinstance(error, OSError) else error,
                )
                await self._clock.sleep(delay_s)

    async def _discard(self, shipment: Shipment) -> None:
        await self.in_thread(partial(self._packer.discard, shipment))

    async def _send_all(self, segment: SealedSegment, attempts: Attempts) -> Shipment:
        shipment = await self.in_thread(partial(self._packer.open_shipment, segment))
        pending = deque(shipment.plans())
        attempt = 0
        while pending:
            done = _Pass(pending, attempts)
            try:
                await self._run(shipment, done)
            except Exception:
                attempts.may_have_been_sent = True
                raise
            self._note_taken(shipment, done)
            if isinstance(done.failure, OSError):
                attempts.may_have_been_sent = True
                raise done.failure
            if done.failure is not None:
                attempt = 1 if done.delivered else attempt + 1
                await self._wait_after(done.failure, shipment, attempt)
        return shipment

    def _note_taken(self, shipment: Shipment, done: _Pass) -> None:
        self.already_in_store += done.already_in_store
        self.late_conflicts += done.late_conflicts
        self.unverified += done.unverified
        for text, objects in (
            ("objects already in store, not replaced", done.already_in_store),
            ("event id conflict in store", done.late_conflicts),
            ("taken key cannot be read, unverified copy stored", done.unverified),
        ):
            if objects:
                _log.warning(text, segment=shipment.segment.name.id, objects=objects)

    async def _run(self, shipment: Shipment, current: _Pass) -> None:
        senders = min(self._concurrency, len(current.pending))
        await asyncio.gather(*(self._send(shipment, current) for _ in range(senders)))

    async def _send(self, shipment: Shipment, current: _Pass) -> None:
        while (plan := current.next()) is not None:
            try:
                put = partial(self._putter.put, shipment, plan, current.attempts)
                with self._stalls_reported(shipment):
                    outcome = await self.in_thread(put)
            except (StoreError, OSError) as failure:
                current.fail(plan, failure)
            else:
                current.succeed(plan, outcome)
                self.last_delivery_at = self._clock.now()

    @contextlib.contextmanager
    def _stalls_reported(self, shipment: Shipment) -> Iterator[None]:
        started = self._clock.monotonic()
        timer: asyncio.TimerHandle

        def report() -> None:
            nonlocal timer
            seconds = round(self._clock.monotonic() - started)
            cause = f"no result of an upload for {seconds} s"
            self._note_failure("UploadStalled", cause, permanent=False)
            _log.warning("upload has stalled", segment=shipment.segment.name.id, seconds=seconds)
            timer = self._loop.call_later(STALLED_S, report)

        timer = self._loop.call_later(STALLED_S, report)
        try:
            yield
        finally:
            timer.cancel()

    async def _wait_after(self, failure: StoreError, shipment: Shipment, attempt: int) -> None:
        backoff = PERMANENT if failure.permanent else TRANSIENT
        delay_s = backoff.delay_s(attempt, self._clock.random)
        self._note_failure(failure.code, str(failure), failure.permanent)
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

    def _note_failure(self, code: str, cause: str, permanent: bool) -> None:
        self.last_failure = DeliveryFailure(self._clock.now(), code, cause, permanent)

    def _report(self, shipment: Shipment, took_s: float) -> None:
        _log.info(
            "segment delivered",
            segment=shipment.segment.name.id,
            events=shipment.events,
            objects=shipment.objects,
            bytes=shipment.segment.size,
            seconds=round(took_s, 3),
            corrupt=shipment.corrupt_events or None,
        )

    async def in_thread(self, call: Callable[[], _T]) -> _T:
        """Run a blocking call in a worker thread."""
        return await self._loop.run_in_executor(self._threads, call)


# Requests come first where cores are scarce: at the same priority as the event loop, these threads
# almost double the p99 latency of responses while a backlog is delivered. On Linux each thread has
# its own priority (setpriority(2), "C library/kernel differences").
def _lower_priority() -> None:
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    # A sandbox may forbid it; then the priority stays the same.
    with contextlib.suppress(OSError):
        niceness = os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS_ADDED
        os.setpriority(os.PRIO_PROCESS, thread, min(niceness, _MAX_NICENESS))
