"""The backlog: sealed segments that are not delivered yet.

Invariants:

- `segments`, `events` and `disk_bytes` count every sealed segment that is not delivered;
  events that leave them are counted in `counters`, as delivered or as lost.
- A segment that was removed from outside leaves these counts when the directory is read again.
- At most `_LISTED` names of old segments, and as many of fresh ones, are held in memory beyond
  those being shipped; the others are found again by reading the directory. A backlog of millions
  costs no memory.

`next` alternates between the newest and the oldest segment: after an outage new events are
queryable within seconds, and the old ones are still shipped at half of the rate.

For the event loop's thread only, except `read_directory`.
"""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from storage.counters import Counters
from storage.journal.directory import JournalDirectory
from storage.journal.segment import SealedSegment

_LISTED = 4096


def sealed_segments(directory: JournalDirectory) -> Iterator[SealedSegment]:
    """Yield every sealed segment in a journal directory, in no order."""
    for name, size in directory.segments():
        if name.events is not None:
            yield SealedSegment(name, size)


@dataclass(frozen=True, slots=True)
class BacklogCounts:
    """The size of the backlog; `oldest_at` is in Unix seconds."""

    segments: int
    events: int
    disk_bytes: int
    oldest_at: float | None


class Backlog:
    """The sealed segments of one journal directory."""

    def __init__(self, directory: JournalDirectory, counters: Counters) -> None:
        self._directory = directory
        self._counters = counters
        self._old: deque[SealedSegment] = deque()
        self._fresh: deque[SealedSegment] = deque()
        self._shipping: dict[str, SealedSegment] = {}
        self._fresh_shipping: set[str] = set()
        self._delivered_meanwhile: set[str] | None = None
        self._segments = 0
        self._events = 0
        self._disk_bytes = 0
        self._newest_first = True
        self._left_unlisted = False

    @property
    def disk_bytes(self) -> int:
        """The disk space of all segments that are not delivered, in bytes."""
        return self._disk_bytes

    @property
    def fresh_segments(self) -> int:
        """The number of listed segments that this process sealed and `next` has not returned."""
        return len(self._fresh)

    def counts(self) -> BacklogCounts:
        """Return the size of the backlog, for people."""
        heads = [*self._shipping.values(), *list(self._old)[:1], *list(self._fresh)[:1]]
        oldest = min((segment.name.id for segment in heads), default=None)
        at = next((s.name.created_at for s in heads if s.name.id == oldest), None)
        return BacklogCounts(self._segments, self._events, self._disk_bytes, at)

    def load(self) -> None:
        """Count the segments on disk, and list the oldest. Blocks; once, at start."""
        for segment in sealed_segments(self._directory):
            self._count(segment, 1)
        self._counters.recovered += self._events
        self.relist(self.read_directory())

    def add(self, segment: SealedSegment) -> None:
        """Add a segment that was sealed."""
        self._count(segment, 1)
        if segment.name.id in self._shipping or segment in self._old:
            return  # a reading of the directory found it first
        self._fresh.append(segment)
        if len(self._fresh) > _LISTED:
            self._fresh.popleft()
            self._left_unlisted = True

    def next(self) -> SealedSegment | None:
        """Return the next segment to ship, or None if none is listed."""
        if not self._old and not self._fresh:
            return None
        newest, self._newest_first = self._newest_first, not self._newest_first
        segment = self._newest() if newest else self._oldest()
        self._shipping[segment.name.id] = segment
        return segment

    def _newest(self) -> SealedSegment:
        return self._mark(self._fresh.pop()) if self._fresh else self._old.pop()

    def _oldest(self) -> SealedSegment:
        return self._old.popleft() if self._old else self._mark(self._fresh.popleft())

    def _mark(self, segment: SealedSegment) -> SealedSegment:
        self._fresh_shipping.add(segment.name.id)
        return segment

    def is_fresh(self, segment: SealedSegment) -> bool:
        """Return True if this process sealed a segment that `next` returned, for certain."""
        return segment.name.id in self._fresh_shipping

    def done(self, segment: SealedSegment, delivered: int) -> None:
        """Remove a segment that `next` returned, after `delivered` of its events were delivered."""
        del self._shipping[segment.name.id]
        self._fresh_shipping.discard(segment.name.id)
        if self._delivered_meanwhile is not None:
            self._delivered_meanwhile.add(segment.name.id)
        self._count(segment, -1)
        self._counters.delivered += delivered
        self._counters.lost += segment.events - delivered

    def may_hold(self, segment_id: str) -> bool:
        """Return False only if a segment is delivered: a name that is not listed may be on disk."""
        listed = (segment.name.id for segment in (*self._old, *self._fresh))
        return self._has_more or segment_id in self._shipping or segment_id in listed

    @property
    def is_empty(self) -> bool:
        """True if every sealed segment is delivered."""
        return self._segments == 0

    @property
    def has_unlisted(self) -> bool:
        """True if no segment is listed while the directory holds more."""
        return not self._old and not self._fresh and self._has_more

    @property
    def _has_more(self) -> bool:
        listed = len(self._old) + len(self._fresh) + len(self._shipping)
        return self._segments > listed

    def read_directory(self) -> list[SealedSegment]:
        """Return the oldest segments on disk, for `relist`. Blocks."""
        self._delivered_meanwhile = set()
        self._left_unlisted = False
        found = sealed_segments(self._directory)
        return heapq.nsmallest(_LISTED, found, key=lambda segment: segment.name.id)

    def relist(self, found: list[SealedSegment]) -> None:
        """List the result of `read_directory`, except segments shipped or delivered meanwhile.

        Never list more than was counted: the newest beyond that number are about to be added.
        """
        fresh = {segment.name.id for segment in self._fresh}
        known = fresh | self._shipping.keys() | (self._delivered_meanwhile or set())
        self._delivered_meanwhile = None
        unlisted = self._segments - len(self._shipping) - len(self._fresh)
        new = (segment for segment in found if segment.name.id not in known)
        self._old = deque(islice(new, max(0, unlisted)))
        if len(found) < _LISTED and not self._left_unlisted and self._has_more:
            self._recount()

    def _recount(self) -> None:
        counted = self._events
        self._segments = self._events = self._disk_bytes = 0
        for segment in (*self._shipping.values(), *self._old, *self._fresh):
            self._count(segment, 1)
        self._counters.lost += counted - self._events

    def _count(self, segment: SealedSegment, sign: int) -> None:
        self._segments += sign
        self._events += sign * segment.events
        self._disk_bytes += sign * segment.disk_bytes
