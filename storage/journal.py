"""The journal: events in, durable when the call returns.

Invariants:

- One commit is on its way to the disk at a time, in a thread of its own. What arrives
  meanwhile is gathered and goes with the next one (group commit).
- What waits for the disk is at most `_MAX_WAITING_BYTES`, beyond one request.
- Segments on disk take at most `max_bytes`; beyond that events are refused, never dropped.
- After a failed commit nothing is tried but a probe every `_PROBE_INTERVAL_S` seconds, and
  every request is refused at once, until the probe succeeds.

For the event loop's thread; only `SegmentWriter` runs in the other one.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from storage.record import RECORD_OVERHEAD_BYTES
from storage.refusals import (
    JournalBusy,
    JournalClosed,
    JournalFull,
    JournalUnavailable,
    Refusal,
)
from storage.segment import SealedSegment, disk_bytes
from storage.segment_writer import SegmentWriter

_log = logging.getLogger(__name__)

_MAX_WAITING_BYTES = 32 * 1024 * 1024
_PROBE_INTERVAL_S = 1.0

_RETRY_AFTER_FULL_S = 30
_RETRY_AFTER_BUSY_S = 1
_RETRY_AFTER_UNAVAILABLE_S = 5
_RETRY_AFTER_CLOSED_S = 5


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """When a segment is sealed, in seconds and bytes, and how much disk all may take."""

    flush_interval_s: float
    segment_max_bytes: int
    max_bytes: int


@dataclass(slots=True)
class _Waiting:
    lines: Sequence[bytes]
    ids: bytes
    size: int
    done: asyncio.Future[None]


class Journal:
    """Makes events durable in the order of arrival.

    `sealed_bytes` tells the disk space of sealed segments that are not delivered;
    `on_sealed` is called with each segment that nobody will change again.
    """

    def __init__(
        self,
        writer: SegmentWriter,
        limits: JournalLimits,
        *,
        sealed_bytes: Callable[[], int],
        on_sealed: Callable[[SealedSegment], None],
    ) -> None:
        self._writer = writer
        self._limits = limits
        self._sealed_bytes = sealed_bytes
        self._on_sealed = on_sealed
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._work = asyncio.Event()
        self._seal_wanted = False
        self._seal_timer: asyncio.TimerHandle | None = None
        self._failure: str | None = None
        self._closing = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run())

    def append(self, lines: Sequence[bytes], ids: bytes = b"") -> asyncio.Future[None]:
        """Make events durable: they are when the future is done, and so are `ids`.

        Raises a Refusal at once, or the future does: then none of them is durable. Each line
        is an event's JSON without a newline; `ids` are digests to be remembered with them.
        """
        size = sum(map(len, lines)) + RECORD_OVERHEAD_BYTES * len(lines)
        refusal = self._refusal(size)
        if refusal is not None:
            raise refusal
        done: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(_Waiting(lines, ids, size, done))
        self._waiting_bytes += size
        self._work.set()
        return done

    def refusal(self) -> Refusal | None:
        """Why an event would be refused now, or None if it would be taken."""
        return self._refusal(0)

    def _refusal(self, size: int) -> Refusal | None:
        if self._closing:
            return JournalClosed("the server is shutting down", _RETRY_AFTER_CLOSED_S)
        if self._failure is not None:
            return _unavailable(self._failure)
        if self._used_bytes() + size > self._limits.max_bytes:
            message = "the journal is full: the store has not taken what waits there"
            return JournalFull(message, _RETRY_AFTER_FULL_S)
        if self._waiting_bytes > _MAX_WAITING_BYTES:
            return JournalBusy("the disk does not keep up with the events", _RETRY_AFTER_BUSY_S)
        return None

    def _used_bytes(self) -> int:
        return self._sealed_bytes() + disk_bytes(self._writer.held_bytes) + self._waiting_bytes

    @property
    def held_events(self) -> int:
        """Durable events that are not handed over as a sealed segment yet."""
        return self._writer.held_events

    @property
    def held_bytes(self) -> int:
        """Durable bytes that are not handed over in a sealed segment yet."""
        return self._writer.held_bytes

    @property
    def open_since(self) -> float | None:
        """When the open segment was begun, in Unix seconds; None if no event is in it."""
        return self._writer.open_since

    async def close(self) -> None:
        """Refuse new events, make waiting ones durable, seal. The last call.

        If the disk refuses, the open segment is sealed by recovery at the next start.
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
        ids = b"".join([waiting.ids for waiting in group])
        begins = self._writer.events == 0
        try:
            await self._loop.run_in_executor(self._thread, self._writer.append, lines, ids)
        except Exception as error:
            self._fail(error)
            _refuse(group, _told(error))
        else:
            _confirm(group)
            if begins:
                delay = self._limits.flush_interval_s
                self._seal_timer = self._loop.call_later(delay, self._want_seal)
        self._waiting_bytes -= sum(waiting.size for waiting in group)
        self._hand_over()

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
            self._on_sealed(segment)

    def _fail(self, error: Exception) -> None:
        self._failure = _told(error)
        unexpected = None if isinstance(error, OSError) else error
        fields = {"fields": {"cause": str(error)}}
        _log.error("journal cannot be written", extra=fields, exc_info=unexpected)
        waiting = list(self._waiting)
        self._waiting.clear()
        self._waiting_bytes -= sum(each.size for each in waiting)
        _refuse(waiting, self._failure)
        self._loop.call_later(_PROBE_INTERVAL_S, self._work.set)

    async def _probe(self) -> None:
        try:
            await self._loop.run_in_executor(self._thread, self._writer.repair)
        except Exception as error:
            self._failure = _told(error)
            self._loop.call_later(_PROBE_INTERVAL_S, self._work.set)
        else:
            self._failure = None
            _log.info("journal can be written again")
        self._hand_over()


def _confirm(group: list[_Waiting]) -> None:
    for waiting in group:
        if not waiting.done.done():
            waiting.done.set_result(None)


def _refuse(group: list[_Waiting], cause: str) -> None:
    for waiting in group:
        if not waiting.done.done():
            waiting.done.set_exception(_unavailable(cause))


# Clients need not know the paths of this machine.
def _told(error: Exception) -> str:
    cause = error.strerror if isinstance(error, OSError) else None
    return cause or "an unexpected error"


def _unavailable(cause: str) -> JournalUnavailable:
    message = f"the journal cannot be written: {cause}"
    return JournalUnavailable(message, _RETRY_AFTER_UNAVAILABLE_S)
