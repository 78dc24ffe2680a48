"""Work in turns, so that no request holds the event loop for long.

Work that depends on what a client sent is a generator: it yields wherever others may run, at the
latest after about TURN_BYTES of text, and returns its result. One event is read in several steps,
and each of them is one turn, since compiled code cannot be interrupted; the size of an event is
limited.
"""

from collections.abc import Generator
from typing import TypeVar

TURN_BYTES = 64 * 1024

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


class Meter:
    """A count of the bytes of text that were worked on in this turn."""

    def __init__(self) -> None:
        self._bytes = 0

    def is_full(self, size: int) -> bool:
        """Count work on `size` bytes; True if it is for the next turn, which then begins."""
        self._bytes += size
        if self._bytes <= TURN_BYTES or self._bytes == size:
            return False
        self._bytes = size
        return True
