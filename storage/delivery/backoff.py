"""Waits between attempts: exponential back-off with jitter.

See https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from collections.abc import Callable
from dataclasses import dataclass

_MAX_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from `base_s` to `cap_s` seconds.

    Each is drawn evenly from `floor` times its length up to its length; 0 is full jitter.
    """

    base_s: float
    cap_s: float
    floor: float = 0.0

    def delay_s(self, attempt: int, random: Callable[[], float]) -> float:
        """Return the seconds to wait after the `attempt`-th failure, counted from 1.

        `random` returns a number from 0 up to, but not including, 1.
        """
        doublings = min(attempt - 1, _MAX_DOUBLINGS)
        longest = min(self.cap_s, self.base_s * 2.0**doublings)
        return longest * (self.floor + (1 - self.floor) * random())


# For throttling and outages: short at first, and spread out by full jitter.
TRANSIENT = Backoff(base_s=0.2, cap_s=30.0)

# For errors that somebody has to repair: long enough to cost little, short enough for the repair
# to be noticed soon.
PERMANENT = Backoff(base_s=5.0, cap_s=60.0, floor=0.5)
