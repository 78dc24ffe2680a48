"""How fast the disk is emptied, and so when there will be room on it."""

import math
from collections import deque
from collections.abc import Callable

_SPAN_S = 60.0
_ROOM_BYTES = 16 * 1024 * 1024

_LEAST_S = 1
_MOST_S = 300
_UNKNOWN_S = 60


class DrainRate:
    """What was deleted within the last minute. `monotonic` gives seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._begun_at = monotonic()
        self._drained: deque[tuple[float, int]] = deque()
        self._bytes = 0

    def add(self, size: int) -> None:
        """So many bytes have just been deleted."""
        self._drained.append((self._monotonic(), size))
        self._bytes += size
        self._forget()

    def _forget(self) -> None:
        expired = self._monotonic() - _SPAN_S
        while self._drained and self._drained[0][0] < expired:
            self._bytes -= self._drained.popleft()[1]

    def room_in_s(self) -> int:
        """After how many seconds as much as a few large requests need will have been deleted.

        From 1 to 300; 60 if nothing was deleted lately, since nobody knows then.
        """
        self._forget()
        if self._bytes == 0:
            return _UNKNOWN_S
        span_s = min(_SPAN_S, max(1.0, self._monotonic() - self._begun_at))
        needed_s = math.ceil(_ROOM_BYTES * span_s / self._bytes)
        return min(_MOST_S, max(_LEAST_S, needed_s))
