"""The ids of the last hours, in memory.

Invariant: at most `max_ids` ids are held; an id is held for at least `window_s`, unless more
than seven eighths of `max_ids` came after it.

Exact: ids are held as digests of 128 bits, and nothing is taken for a duplicate that is none.
They are kept in generations, so that forgetting costs nothing.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from storage.id_log import DIGEST_BYTES, IdBlock, IdLimits

_GENERATIONS = 8


@dataclass(slots=True)
class _Generation:
    begun_at: float
    ended_at: float
    ids: set[bytes] = field(default_factory=set)


class IdWindow:
    """A set of digests that forgets. `monotonic` gives seconds."""

    def __init__(self, limits: IdLimits, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._window_s = limits.window_s
        self._step_s = limits.window_s / _GENERATIONS
        self._max_ids = limits.max_ids
        self._step_ids = limits.max_ids // _GENERATIONS
        self._monotonic = monotonic
        self._generations: deque[_Generation] = deque()
        self._held = 0

    def __contains__(self, digest: bytes) -> bool:
        """Whether an id was seen, as far as it is remembered."""
        return any(digest in generation.ids for generation in self._generations)

    def __len__(self) -> int:
        """The number of ids that are held."""
        return self._held

    def add(self, digests: Iterable[bytes]) -> None:
        """Remember ids from now on."""
        self._add(list(digests), self._monotonic())

    def load(self, block: IdBlock) -> None:
        """Remember the ids of a segment from when it was begun; the oldest segment first."""
        raw = block.digests
        starts = range(0, len(raw), DIGEST_BYTES)
        self._add([raw[start : start + DIGEST_BYTES] for start in starts], block.at)

    def forget(self) -> None:
        """Forget the ids that have been held for long enough."""
        expired = self._monotonic() - self._window_s
        while self._generations and self._generations[0].ended_at < expired:
            self._drop_oldest()

    def _add(self, digests: list[bytes], at: float) -> None:
        for start in range(0, len(digests), self._step_ids):
            piece = digests[start : start + self._step_ids]
            newest = self._generation(len(piece), at)
            self._held -= len(newest.ids)
            newest.ids.update(piece)
            self._held += len(newest.ids)
            newest.ended_at = max(newest.ended_at, at)
            while self._held > self._max_ids:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._held -= len(self._generations.popleft().ids)

    def _generation(self, room: int, at: float) -> _Generation:
        if self._generations:
            newest = self._generations[-1]
            is_young = at - newest.begun_at < self._step_s
            if is_young and len(newest.ids) + room <= self._step_ids:
                return newest
        newest = _Generation(at, at)
        self._generations.append(newest)
        return newest
