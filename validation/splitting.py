"""Bodies to the texts of their events, one text for each, before any of them is parsed.

So a bad event is rejected by itself, and one request never holds more than one event as values.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from validation.strict_json import BOM, NotJsonError
from validation.turns import Meter, Turns

# A struct for more elements takes seconds to define.
_MAX_FIELDS = 10_000

# An array that compiled code cannot split may have this many brackets and texts between them,
# enough for 1000 events with 33 objects each.
_MAX_TOKENS = 100_000

# The cost of any token, in bytes of the fast path.
_TOKEN_BYTES = 4

_SPACE = b" \t\r\n"
# A run without brackets, in which commas stand between the events, or one bracket. A run ends after
# 4096 strings, so that a turn may end there. A string has to be followed by what may follow a
# string: a quote that nobody escaped makes all that comes after it look like something else.
_TOKEN = re.compile(
    rb'(?:[^"\[\]{},]++|"[^"\\]*+(?:\\.[^"\\]*+)*+"(?=[ \t\r\n]*+[:,\]}])){1,4096}+|[\[\]{},]', re.S
)
_INSIDE = re.compile(
    rb'(?:[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+"(?=[ \t\r\n]*+[:,\]}])){1,4096}+|[\[\]{}]', re.S
)
_CLOSING = {b"[": b"]", b"{": b"}"}
_ENDS = frozenset(_CLOSING.values())
_KINDS = {b"{": "an object", b'"': "a string", b"t": "a boolean", b"f": "a boolean", b"n": "null"}
_ERROR_AT = re.compile(r"JSON is malformed: (.*) \(byte (\d+)\)")


class NotAnArrayError(ValueError):
    """A body that is JSON, but not an array; the message continues "must be"."""


class ArraySplitter:
    """Splitter of JSON arrays of at most `max_elements`."""

    def __init__(self, max_elements: int) -> None:
        self._max_elements = max_elements
        self._decoder = _raw_decoder(max_elements)

    def split(self, body: bytes) -> Turns[list[bytes] | None]:
        """Return the text of each element of an array; None if it has too many.

        An element need not be JSON, as long as its end can be found. Raises NotAnArrayError, or
        NotJsonError if the body is not JSON and its elements cannot be told apart.
        """
        body = body.removeprefix(BOM)
        try:
            return self._raw(body)
        except msgspec.ValidationError:
            raise _not_an_array(body) from None
        except (msgspec.DecodeError, RecursionError) as error:
            cause = error
        yield
        texts = yield from split_by_tokens(body, self._max_elements)
        if texts is None:
            yield
            raise _not_json(body, cause)
        return texts if len(texts) <= self._max_elements else None

    def is_array(self, body: bytes) -> bool:
        """Return True if a text is an array of JSON values, also of too many."""
        try:
            self._raw(body.removeprefix(BOM))
        except (msgspec.MsgspecError, RecursionError):
            return False
        return True

    def _raw(self, body: bytes) -> list[bytes] | None:
        decoded = self._decoder.decode(body)
        found = decoded if isinstance(decoded, list) else msgspec.structs.astuple(decoded)
        texts = [bytes(each) for each in found if each is not UNSET]
        return texts if len(texts) <= self._max_elements else None


# A struct has as many fields as an array may have elements, and one more. So compiled code skips
# the elements that are too many, of which a body may have millions, instead of making them.
def _raw_decoder(max_elements: int) -> "msgspec.json.Decoder[Any]":
    if max_elements > _MAX_FIELDS:
        return msgspec.json.Decoder(list[Raw])
    fields = [(f"element_{at}", Raw, UNSET) for at in range(max_elements + 1)]
    return msgspec.json.Decoder(msgspec.defstruct("Elements", fields, array_like=True))


def split_by_tokens(body: bytes, max_elements: int) -> Turns[list[bytes] | None]:
    """Return the texts between an array's own commas, whatever they are; None if in doubt.

    In doubt means: brackets do not match, a string does not end, there are more than _MAX_TOKENS.
    No more than one element above the maximum is returned.
    """
    body = body.strip(_SPACE)
    texts: list[bytes] = []
    start = 1
    for comma in _commas(body):
        if comma is None:
            yield
            continue
        texts.append(body[start:comma].strip(_SPACE))
        start = comma + 1
        if len(texts) > max_elements:
            return texts
    return texts if start == len(body) and body[-1:] == b"]" else None


def _commas(body: bytes) -> Iterator[int | None]:
    """Yield the positions of an array's own commas and of its end, and None at the end of a turn.

    Stop early if in doubt.
    """
    if body[:1] != b"[":
        return
    expected = [b"]"]
    at = 1
    meter = Meter()
    for _ in range(_MAX_TOKENS):
        token = (_TOKEN if len(expected) == 1 else _INSIDE).match(body, at)
        if token is None:
            return
        kind, at = token[0], token.end()
        if meter.is_full(len(kind) + _TOKEN_BYTES):
            yield None
        if kind in _CLOSING:
            expected.append(_CLOSING[kind])
        elif kind == expected[-1]:
            expected.pop()
            if not expected:
                yield at - 1
                return
        elif kind in _ENDS:
            return
        elif kind == b"," and len(expected) == 1:
            yield at - 1


def _not_an_array(body: bytes) -> ValueError:
    try:
        msgspec.json.decode(body, type=Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        return _not_json(body, error)
    first = body.lstrip(_SPACE)[:1]
    kind = _KINDS.get(first, "a number")
    return NotAnArrayError(f"a JSON array of events, not {kind}: send one event to /api/v1/events")


def _not_json(body: bytes, error: Exception) -> NotJsonError:
    """Return the error with the position at which compiled code gave up."""
    if isinstance(error, RecursionError):
        return NotJsonError("nested too deeply")
    match = _ERROR_AT.match(str(error))
    cause, at = (match[1], int(match[2])) if match else ("it ends too early", len(body))
    line_start = body.rfind(b"\n", 0, at) + 1
    column = len(body[line_start:at].decode("utf-8", "replace")) + 1
    line = body.count(b"\n", 0, at) + 1
    return NotJsonError(f"not JSON at line {line}, column {column}: {cause}")


def has_object_lines(body: bytes) -> bool:
    """Return True if a body is NDJSON: its first line is an object, and more lines follow."""
    first, _, rest = body.removeprefix(BOM).strip(_SPACE).partition(b"\n")
    return first[:1] == b"{" and rest != b"" and _is_json(first)


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=Raw)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True
