"""Work in turns, so that no request holds the event loop for long.

Work that depends on what a client sent is a generator: it yields wherever others may run, at the
latest after about TURN_BYTES of text or TURN_S, and returns its result. One event is read in
several steps, and each step that is compiled code is one turn at most, since such code cannot be
interrupted; the size of an event is limited.
"""

import gc
import time
from collections.abc import Callable, Generator
from typing import TypeVar

TURN_BYTES = 64 * 1024
TURN_S = 0.01

# The text between two looks at the clock.
_CLOCK_BYTES = 4096

# In a shorter text the garbage collector finds too little work to matter.
_COLLECTED_BYTES = 8192

_T = TypeVar("_T")
Turns = Generator[None, None, _T]


def at_once(turns: "Turns[_T]") -> _T:
    """Do all of the work without a break, and return its result."""
    while True:
        try:
            next(turns)
        except StopIteration as done:
            result: _T = done.value
            return result


def uncollected(work: Callable[[bytes], _T], text: bytes) -> _T:
    """Return the result of compiled work on a text, during which garbage is not collected.

    A parser only makes values that are in use. To look for garbage among them, again and again,
    takes several times as long as to parse a text of small arrays.
    """
    if len(text) < _COLLECTED_BYTES or not gc.isenabled():
        return work(text)
    gc.disable()
    try:
        return work(text)
    finally:
        gc.enable()


class Meter:
    """A count of the bytes of text that were worked on in this turn, and of its time.

    The time is for work whose cost its bytes do not show; `clock` returns seconds, not counting
    those of other threads.
    """

    def __init__(self, clock: Callable[[], float] = time.thread_time) -> None:
        self._clock = clock
        self._bytes = 0
        # The count above which to look at the clock next.
        self._unclocked = _CLOCK_BYTES
        self._ends_at: float | None = None

    def is_full(self, size: int) -> bool:
        """Count work on `size` bytes; True if it is for the next turn, which then begins."""
        self._bytes += size
        if self._bytes <= self._unclocked:
            return False
        if self._bytes == size or (self._bytes <= TURN_BYTES and self._has_time()):
            self._unclocked = min(self._bytes + _CLOCK_BYTES, TURN_BYTES)
            return False
        self._bytes = size
        self._unclocked = 0
        self._ends_at = None
        return True

    # Others run between the end of a turn and the first look at the clock in the next one, which
    # therefore starts its time.
    def _has_time(self) -> bool:
        now = self._clock()
        if self._ends_at is None:
            self._ends_at = now + TURN_S
        return now < self._ends_at
