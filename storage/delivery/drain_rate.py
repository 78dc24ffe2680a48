"""The rate at which delivery frees disk space, and an estimate of when there is space again."""

import math
from collections import deque
from collections.abc import Callable

_SPAN_S = 60.0
_NEEDED_BYTES = 16 * 1024 * 1024

_MIN_S = 1
_MAX_S = 300
_DEFAULT_S = 60


class DrainRate:
    """The bytes that were deleted within the last minute. `monotonic` returns seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._started_at = monotonic()
        self._deletions: deque[tuple[float, int]] = deque()
        self._bytes = 0

    def add(self, size: int) -> None:
        """Record that `size` bytes have just been deleted."""
        self._deletions.append((self._monotonic(), size))
        self._bytes += size
        self._forget()

    def _forget(self) -> None:
        expired = self._monotonic() - _SPAN_S
        while self._deletions and self._deletions[0][0] < expired:
            self._bytes -= self._deletions.popleft()[1]

    def seconds_until_free(self) -> int:
        """Estimate the seconds until 16 MiB, a few large requests, is free at the recent rate.

        From 1 to 300; 60 if nothing was deleted recently, since there is no rate then.
        """
        self._forget()
        if self._bytes == 0:
            return _DEFAULT_S
        span_s = min(_SPAN_S, max(1.0, self._monotonic() - self._started_at))
        needed_s = math.ceil(_NEEDED_BYTES * span_s / self._bytes)
        return min(_MAX_S, max(_MIN_S, needed_s))
