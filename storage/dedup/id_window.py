"""The window: the event ids of the last hours, in memory.

Invariant: at most `max_ids` ids are held; an id is held for at least `window_s`, unless more
than seven eighths of `max_ids` were added after it.

Ids are held as digests of 128 bits, so that a new id is practically never taken for a duplicate.
They are held in generations, so that expiry costs nothing.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from storage.dedup.id_log import DIGEST_BYTES, IdBlock, IdLimits

_GENERATIONS = 8


@dataclass(slots=True)
class _Generation:
    begun_at: float
    ended_at: float
    segments: dict[bytes, str] = field(default_factory=dict)


class IdWindow:
    """Digests of event ids, with the segment of each. `monotonic` returns seconds."""

    def __init__(self, limits: IdLimits, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._window_s = limits.window_s
        self._step_s = limits.window_s / _GENERATIONS
        self._max_ids = limits.max_ids
        self._step_count = limits.max_ids // _GENERATIONS
        self._monotonic = monotonic
        self._generations: deque[_Generation] = deque()
        self._count = 0

    def find(self, digest: bytes) -> str | None:
        """Return the segment of an id, or None if the id is not in the window."""
        for generation in self._generations:
            segment_id = generation.segments.get(digest)
            if segment_id is not None:
                return segment_id
        return None

    def __len__(self) -> int:
        """Return the number of ids held."""
        return self._count

    def add(self, digests: Iterable[bytes], segment_id: str) -> None:
        """Add the ids of a segment, as of now."""
        self._add(list(digests), segment_id, self._monotonic())

    def load(self, block: IdBlock) -> None:
        """Add the ids of a segment, as of when it was begun; the oldest segment first."""
        raw = block.digests
        starts = range(0, len(raw), DIGEST_BYTES)
        digests = [raw[start : start + DIGEST_BYTES] for start in starts]
        self._add(digests, block.segment_id, block.at)

    def forget(self) -> None:
        """Remove the ids that are older than the window."""
        expired = self._monotonic() - self._window_s
        while self._generations and self._generations[0].ended_at < expired:
            self._drop_oldest()

    def _add(self, digests: list[bytes], segment_id: str, at: float) -> None:
        for start in range(0, len(digests), self._step_count):
            piece = digests[start : start + self._step_count]
            newest = self._generation(len(piece), at)
            self._count -= len(newest.segments)
            newest.segments.update(dict.fromkeys(piece, segment_id))
            self._count += len(newest.segments)
            newest.ended_at = max(newest.ended_at, at)
            while self._count > self._max_ids:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._count -= len(self._generations.popleft().segments)

    def _generation(self, room: int, at: float) -> _Generation:
        if self._generations:
            newest = self._generations[-1]
            is_young = at - newest.begun_at < self._step_s
            if is_young and len(newest.segments) + room <= self._step_count:
                return newest
        newest = _Generation(at, at)
        self._generations.append(newest)
        return newest
