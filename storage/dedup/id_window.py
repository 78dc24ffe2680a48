"""The window: the identities of the events of the last hours, in memory.

Invariant: at most `max_ids` are held; one is held for at least `window_s`, unless more than seven
eighths of `max_ids` were added after it.

They are held in generations, so that expiry costs nothing.
"""

import time
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from storage.dedup.id_log import IdBlock, IdLimits
from storage.dedup.identity import FIRST_CONFLICT_KEY, Identities, conflict_key, unpack

_GENERATIONS = 8


@dataclass(slots=True)
class _Generation:
    """Fingerprints in the order of arrival, the place of each key's, and the segments of places.

    `starts` has the place of each segment's first fingerprint.
    """

    begun_at: float
    ended_at: float
    places: dict[int, int] = field(default_factory=dict)
    fingerprints: "array[int]" = field(default_factory=lambda: array("Q"))
    starts: list[int] = field(default_factory=list)
    segments: list[str] = field(default_factory=list)
    has_conflicts: bool = False

    def add(self, events: Identities, segment_id: str) -> None:
        start = len(self.fingerprints)
        self.fingerprints.extend(events.fingerprints)
        self.places.update(zip(events.keys, range(start, len(self.fingerprints)), strict=True))
        self.starts.append(start)
        self.segments.append(segment_id)
        self.has_conflicts = self.has_conflicts or max(events.keys) >= FIRST_CONFLICT_KEY

    def find(self, key: int, fingerprint: int) -> str | None:
        place = self.places.get(key)
        if place is None or self.fingerprints[place] != fingerprint:
            return None
        return self.segments[bisect_right(self.starts, place) - 1]


class IdWindow:
    """Identities of events, with the segment of each. `monotonic` returns seconds."""

    def __init__(self, limits: IdLimits, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._window_s = limits.window_s
        self._step_s = limits.window_s / _GENERATIONS
        self._max_ids = limits.max_ids
        self._step_count = limits.max_ids // _GENERATIONS
        self._monotonic = monotonic
        self._generations: deque[_Generation] = deque()
        self._count = 0

    def knows_any(self, events: Identities) -> bool:
        """Return True if an event is held whose key one of these has, as a conflict or not."""
        for generation in self._generations:
            keys = generation.places.keys()
            if not keys.isdisjoint(events.keys):
                return True
            if generation.has_conflicts and not keys.isdisjoint(map(conflict_key, *events)):
                return True
        return False

    def find(self, key: int, fingerprint: int) -> str | None:
        """Return the segment of an event, or None if the event is not held."""
        for generation in self._generations:
            segment_id = generation.find(key, fingerprint)
            if segment_id is not None:
                return segment_id
        return None

    def has_key(self, key: int) -> bool:
        """Return True if an event with a key is held, whatever its fingerprint."""
        return any(key in generation.places for generation in self._generations)

    def __len__(self) -> int:
        """Return the number of events held."""
        return self._count

    def add(self, events: Identities, segment_id: str) -> None:
        """Add the events of a segment, as of now."""
        self._add(events, segment_id, self._monotonic())

    def load(self, block: IdBlock) -> None:
        """Add the events of a segment, as of when it was begun; the oldest segment first."""
        self._add(unpack(block.identities), block.segment_id, block.at)

    def forget(self) -> None:
        """Remove the events that are older than the window."""
        expired = self._monotonic() - self._window_s
        while self._generations and self._generations[0].ended_at < expired:
            self._drop_oldest()

    def _add(self, events: Identities, segment_id: str, at: float) -> None:
        for start in range(0, len(events.keys), self._step_count):
            piece = Identities(*(each[start : start + self._step_count] for each in events))
            newest = self._generation(len(piece.keys), at)
            newest.add(piece, segment_id)
            self._count += len(piece.keys)
            newest.ended_at = max(newest.ended_at, at)
            while self._count > self._max_ids:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._count -= len(self._generations.popleft().fingerprints)

    def _generation(self, room: int, at: float) -> _Generation:
        if self._generations:
            newest = self._generations[-1]
            is_young = at - newest.begun_at < self._step_s
            if is_young and len(newest.fingerprints) + room <= self._step_count:
                return newest
        newest = _Generation(at, at)
        self._generations.append(newest)
        return newest
