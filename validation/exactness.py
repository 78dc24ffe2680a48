"""JSON parsed by compiled code if nothing of it can have been lost.

`strict_json` knows what is lost when orjson parses a text. What is accepted here, it accepts too;
everything in doubt is left to it.
"""

import re
from typing import Any, NamedTuple

import orjson

from validation.strict_json import MAX_DEPTH
from validation.turns import uncollected

# orjson refuses to write more levels.
_ORJSON_DEPTH = 254
# It writes every double of 1e16 and above like this, and so an integer beyond 64 bits.
_LARGE = re.compile(rb"[0-9]e\+")
# To count the brackets of a longer text takes longer than to write all levels.
_SHORT_BYTES = 2048


class Exact(NamedTuple):
    """A parsed value, and the same as orjson writes it."""

    value: Any
    text: bytes


class ExactParser:
    """Parser of events, or of arrays of them; an event is the first of MAX_DEPTH levels."""

    def __init__(self) -> None:
        # Lists around an array use up all other levels, so that compiled code counts them.
        self._outer = _ORJSON_DEPTH - MAX_DEPTH - 1
        self._innermost: list[object] = [None]
        self._outermost = self._innermost
        for _ in range(self._outer - 1):
            self._outermost = [self._outermost]

    def parse(self, text: bytes) -> Exact | None:
        """Parse a text; None if in doubt."""
        try:
            value = uncollected(orjson.loads, text)
            if len(text) <= _SHORT_BYTES and text.count(b"{") + text.count(b"[") <= MAX_DEPTH:
                again = orjson.dumps(value)
            else:
                again = self._written_within_depth(value)
        except (orjson.JSONDecodeError, orjson.JSONEncodeError):
            return None
        return None if again != text and _may_have_lost(text, again) else Exact(value, again)

    def _written_within_depth(self, value: object) -> bytes:
        is_array = isinstance(value, list)
        self._innermost[0] = value if is_array else [value]
        try:
            again = orjson.dumps(self._outermost)
        finally:
            self._innermost[0] = None
        around = self._outer if is_array else self._outer + 1
        return again[around:-around]


# To look for one byte costs a fraction of looking for several.
def _may_have_lost(text: bytes, again: bytes) -> bool:
    return (
        text.count(b'"') != again.count(b'"')
        or (b"\\" in text and b"\\u0022" in text)
        or (b"+" in again and b"e+" in again and _LARGE.search(again) is not None)
    )
