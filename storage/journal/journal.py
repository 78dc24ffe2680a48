"""The journal: makes events durable by group commit, and hands over sealed segments.

Invariants:

- One commit is in flight at a time, in a thread of its own. Events that arrive meanwhile go
  into the next one (group commit).
- At most `_MAX_WAITING_BYTES`, beyond one request, wait for the disk.
- Segments on disk take at most `max_bytes`; beyond that events are refused, never dropped.
- After a failed commit only a probe is tried, every `_PROBE_INTERVAL_S` seconds, and every
  request is refused at once, until the probe succeeds.
- `counters.durable` and `held_events` grow in the same step of the event loop in which the
  futures of the senders are done.

For the event loop's thread; only `SegmentWriter` runs in the other one.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from logs.events import get_logger
from storage.counters import Counters
from storage.journal.limits import JournalLimits
from storage.journal.record import encoded_size
from storage.journal.reserve import is_disk_full
from storage.journal.segment import SealedSegment, disk_bytes
from storage.journal.writer import Appended, SegmentWriter
from storage.refusals import (
    JournalBusy,
    JournalClosed,
    JournalFull,
    JournalUnavailable,
    Refusal,
)

_log = get_logger(__name__)

_MAX_WAITING_BYTES = 32 * 1024 * 1024
_PROBE_INTERVAL_S = 1.0

_RETRY_AFTER_BUSY_S = 1
_RETRY_AFTER_UNAVAILABLE_S = 5
_RETRY_AFTER_CLOSED_S = 5


@dataclass(slots=True)
class _Waiting:
    lines: Sequence[bytes]
    identities: bytes
    size: int
    done: asyncio.Future[str]


@dataclass(slots=True)
class _Held:
    """Durable events and bytes of a segment that was not handed over yet."""

    events: int = 0
    size: int = 0


class Shipping(Protocol):
    """The consumer of sealed segments."""

    def enqueue(self, segment: SealedSegment) -> None:
        """Ship a sealed segment."""

    @property
    def disk_bytes(self) -> int:
        """The disk space in bytes of all segments that are not delivered."""

    @property
    def room_in_s(self) -> int:
        """The estimated time until a full disk has room, in whole seconds."""

    def call_when_idle(self, call: Callable[[], None]) -> None:
        """Call `call` once an upload is free for a new segment; immediately if one is free."""


class Journal:
    """Makes events durable in the order of arrival, and hands sealed segments to `shipping`."""

    def __init__(
        self,
        writer: SegmentWriter,
        limits: JournalLimits,
        shipping: Shipping,
        counters: Counters,
    ) -> None:
        self._writer = writer
        self._limits = limits
        self._shipping = shipping
        self._counters = counters
        self._held: dict[str, _Held] = {}
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._work = asyncio.Event()
        self._seal_wanted = False
        self._was_full = False
        self._seal_timer: asyncio.TimerHandle | None = None
        self._failure: Exception | None = None
        self._closing = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run())

    def append(self, lines: Sequence[bytes], identities: bytes = b"") -> asyncio.Future[str]:
        """Make events durable: they are when the future is done.

        The future's result is the id of the segment that holds them. Raises a Refusal at once, or
        the future does: then none of the events is durable. Each line is an event's JSON without
        a newline; `identities`, those of the events, are recorded before the segment is sealed.
        """
        size = encoded_size(list(map(len, lines)))
        refusal = self._refusal(size)
        if refusal is not None:
            raise refusal
        done: asyncio.Future[str] = self._loop.create_future()
        self._waiting.append(_Waiting(lines, identities, size, done))
        self._waiting_bytes += size
        self._work.set()
        return done

    def refusal(self) -> Refusal | None:
        """Return the refusal that an event may get now, or None if every event is accepted.

        Events of the largest size count. Once the journal was reported full, it stays so until
        there is room for clearly more: a load balancer must not send and stop in turns.
        """
        limits = self._limits
        room = limits.clear_room_bytes if self._was_full else limits.largest_record_bytes
        refusal = self._refusal(room)
        if refusal is None or isinstance(refusal, JournalFull):
            self._was_full = refusal is not None
        return refusal

    def _refusal(self, size: int) -> Refusal | None:
        if self._closing:
            return JournalClosed("the server is shutting down", _RETRY_AFTER_CLOSED_S)
        if self._failure is not None:
            return self._unavailable(self._failure)
        if self._used_bytes() + size > self._limits.max_bytes:
            message = "the journal is full: the store has not taken what waits there"
            return JournalFull(message, self._shipping.room_in_s)
        if self._waiting_bytes > _MAX_WAITING_BYTES:
            return JournalBusy("the disk does not keep up with the events", _RETRY_AFTER_BUSY_S)
        return None

    def _used_bytes(self) -> int:
        return self._shipping.disk_bytes + disk_bytes(self.held_bytes) + self._waiting_bytes

    @property
    def held_events(self) -> int:
        """The number of durable events in segments that are not handed over yet."""
        return sum(held.events for held in self._held.values())

    @property
    def held_bytes(self) -> int:
        """The number of durable bytes in segments that are not handed over yet."""
        return sum(held.size for held in self._held.values())

    def holds(self, segment_id: str) -> bool:
        """Return True if a segment has durable events and was not handed over yet."""
        return segment_id in self._held

    @property
    def open_since(self) -> float | None:
        """The time at which the open segment was begun, in Unix seconds; None without events."""
        return self._writer.open_since

    async def close(self) -> None:
        """Refuse new events, make waiting ones durable, and seal. No call may follow.

        If the disk refuses, recovery seals the open segment at the next start.
        """
        self._closing = True
        self._seal_wanted = True
        self._work.set()
        await self._task
        self._thread.shutdown(wait=False)

    async def _run(self) -> None:
        while not self._closing or self._waiting:
            await self._work.wait()
            self._work.clear()
            if self._failure is not None:
                await self._probe()
            elif self._waiting:
                await self._commit(self._take_group())
            if self._seal_wanted or self._writer.size >= self._limits.segment_max_bytes:
                await self._seal()
            if self._waiting:
                self._work.set()
        if self._seal_timer is not None:
            self._seal_timer.cancel()

    def _take_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        size = self._writer.size
        while self._waiting and size < self._limits.segment_max_bytes:
            waiting = self._waiting.popleft()
            group.append(waiting)
            size += waiting.size
        return group

    async def _commit(self, group: list[_Waiting]) -> None:
        lines = [line for waiting in group for line in waiting.lines]
        identities = b"".join([waiting.identities for waiting in group])
        begins = self._writer.events == 0
        try:
            append = partial(self._writer.append, lines, identities)
            appended = await self._loop.run_in_executor(self._thread, append)
        except Exception as error:
            self._fail(error)
            self._refuse(group, error)
        else:
            self._confirm(group, appended)
            if self._limits.seal_when_idle:
                self._shipping.call_when_idle(self._want_seal)
            if begins:
                delay = self._limits.flush_interval_s
                self._seal_timer = self._loop.call_later(delay, self._want_seal)
        self._waiting_bytes -= sum(waiting.size for waiting in group)
        self._hand_over()

    def _confirm(self, group: list[_Waiting], appended: Appended) -> None:
        held = self._held.setdefault(appended.segment_id, _Held())
        held.size += appended.size
        for waiting in group:
            held.events += len(waiting.lines)
            self._counters.durable += len(waiting.lines)
            if not waiting.done.done():
                waiting.done.set_result(appended.segment_id)

    def _want_seal(self) -> None:
        self._seal_wanted = True
        self._work.set()

    async def _seal(self) -> None:
        self._seal_wanted = False
        if self._seal_timer is not None:
            self._seal_timer.cancel()
        try:
            await self._loop.run_in_executor(self._thread, self._writer.seal)
        except Exception as error:
            self._fail(error)
        self._hand_over()

    def _hand_over(self) -> None:
        for segment in self._writer.take_sealed():
            self._held.pop(segment.name.id)
            self._shipping.enqueue(segment)
        for segment_id in self._writer.take_removed():
            held = self._held.pop(segment_id, _Held())
            self._counters.lost += held.events

    def _fail(self, error: Exception) -> None:
        self._failure = error
        unexpected = None if isinstance(error, OSError) else error
        _log.error("journal cannot be written", cause=str(error), exc_info=unexpected)
        waiting = list(self._waiting)
        self._waiting.clear()
        self._waiting_bytes -= sum(each.size for each in waiting)
        self._refuse(waiting, error)
        self._loop.call_later(_PROBE_INTERVAL_S, self._work.set)

    async def _probe(self) -> None:
        try:
            await self._loop.run_in_executor(self._thread, self._writer.repair)
        except Exception as error:
            self._failure = error
            self._loop.call_later(_PROBE_INTERVAL_S, self._work.set)
        else:
            self._failure = None
            _log.info("journal can be written again")
        self._hand_over()

    def _refuse(self, group: list[_Waiting], error: Exception) -> None:
        for waiting in group:
            if not waiting.done.done():
                waiting.done.set_exception(self._unavailable(error))

    def _unavailable(self, error: Exception) -> JournalUnavailable:
        message = f"the journal cannot be written: {_client_text(error)}"
        if is_disk_full(error):
            return JournalUnavailable(message, self._shipping.room_in_s)
        return JournalUnavailable(message, _RETRY_AFTER_UNAVAILABLE_S)


# Without the paths of this machine, which are no client's concern.
def _client_text(error: Exception) -> str:
    cause = error.strerror if isinstance(error, OSError) else None
    return cause or "an unexpected error"
