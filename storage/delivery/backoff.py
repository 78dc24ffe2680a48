"""How long to wait before the next attempt.

Exponential back-off with jitter, as in
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from collections.abc import Callable
from dataclasses import dataclass

_MAX_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from `base_s` to `cap_s` seconds.

    Each is drawn evenly between `floor` times its length and its length: 0 is full jitter.
    """

    base_s: float
    cap_s: float
    floor: float = 0.0

    def delay_s(self, attempt: int, random: Callable[[], float]) -> float:
        """Seconds to wait after the `attempt`-th failure, which is 1 for the first.

        `random` gives a number from 0 up to 1.
        """
        doublings = min(attempt - 1, _MAX_DOUBLINGS)
        longest = min(self.cap_s, self.base_s * 2.0**doublings)
        return longest * (self.floor + (1 - self.floor) * random())


# Throttling and outages: quick at first, spread out by full jitter.
TRANSIENT = Backoff(base_s=0.2, cap_s=30.0)

# Somebody has to repair something: never so quick that it costs, never so slow that the
# repair goes unnoticed.
PERMANENT = Backoff(base_s=5.0, cap_s=60.0, floor=0.5)
