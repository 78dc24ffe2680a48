"""JSON text to values, refusing what two readers could understand differently.

orjson parses in a fraction of the time of any other parser, and accepts only JSON (RFC 8259).
Two things it changes in silence, though: of two equal keys it keeps the last, and an integer
beyond 64 bits becomes a double. Both are noticed exactly, by compiled code (`parse_exact`). A text
that contains either, and one that orjson refuses, is never accepted; only to say what is wrong with
it, and where, it is parsed again by the standard library (`parse_marking`), which takes up to ten
times as long. The caller decides whether that is worth its time.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

import msgspec
import orjson

from validation.problems import MAX_PROBLEMS, Problem, Problems, excerpt, path_of

MAX_DEPTH = 64
BOM = b"\xef\xbb\xbf"
_MIN_INTEGER = -(2**63)
_MAX_INTEGER = 2**64 - 1
_LONG_NUMBER = re.compile(rb"[0-9]{19}")
# orjson writes every double of 1e16 and above with an exponent.
_EXPONENT = b"e+"
# The standard library refuses to convert integers of more than 4300 digits.
_HUGE_NUMBER = re.compile(r"[0-9]{4300}")
_ENOUGH_DIGITS = 25
# A string, whose content does not count, or one of JavaScript's constants.
_CONSTANT = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|(NaN|-?Infinity)', re.S)
# To search for one costs a tenth of the exception that encoding it raises.
_SURROGATE = re.compile("[\ud800-\udfff]")
_BACKSLASH = b"\\\\"
_ESCAPED_QUOTE = b"\\u0022"
_ORJSON_DEPTH = 254
_INFINITIES = (float("inf"), float("-inf"))


class NotJsonError(ValueError):
    """A text that is not JSON; the message has the position."""


@dataclass(frozen=True, slots=True)
class AmbiguousValue:
    """A placeholder in a parsed value for JSON that would not be stored as it was sent."""

    message: str


class Parsed(NamedTuple):
    """A parsed value; unless `is_exact`, it may contain problems that `find_problems` finds."""

    value: object
    is_exact: bool


def parse(text: bytes) -> Parsed:
    """Parse a whole text, at once: for texts whose length is bounded.

    Raises NotJsonError if the text is not JSON, not UTF-8, or nested deeper than the parsers go.
    """
    return parse_exact(text) or parse_marking(text)


def parse_exact(text: bytes) -> Parsed | None:
    """Parse a whole text; None if it is not JSON, or anything in it would be lost.

    A value that may be nested too deeply is not `is_exact`, since that is a problem as well.
    """
    text = text.removeprefix(BOM)
    try:
        value = orjson.loads(text)
        again = orjson.dumps(value)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    if again != text and (_has_lost_key(text, again) or _has_lost_integer(text, again)):
        return None
    return Parsed(value, is_exact=brackets(text) <= MAX_DEPTH or not _is_too_deep(value))


# orjson refuses to write more than _ORJSON_DEPTH levels. Lists around the value use up all but
# MAX_DEPTH of them, so that compiled code counts the levels.
def _is_too_deep(value: object) -> bool:
    for _ in range(_ORJSON_DEPTH - MAX_DEPTH):
        value = [value]
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return True
    return False


# A dropped key takes its quotes with it. Only an escaped quote that is written in another way makes
# up for some; a pair of backslashes in front would hide that the second one escapes nothing.
def _has_lost_key(text: bytes, again: bytes) -> bool:
    quotes = text.count(b'"')
    if _ESCAPED_QUOTE in text:
        quotes += text.replace(_BACKSLASH, b"").count(_ESCAPED_QUOTE)
    return quotes != again.count(b'"')


# msgspec keeps such an integer, and orjson refuses to write it.
def _has_lost_integer(text: bytes, again: bytes) -> bool:
    if _EXPONENT not in again or _LONG_NUMBER.search(text) is None:
        return False
    try:
        orjson.dumps(msgspec.json.decode(text))
    except (orjson.JSONEncodeError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return True
    return False


def may_have_lost_key(text: bytes, again: bytes) -> bool:
    """Return True if a text may have lost a key when it was parsed and written `again`."""
    return text.count(b'"') != again.count(b'"') or _ESCAPED_QUOTE in text


def parse_marking(text: bytes) -> Parsed:
    """Parse a text with a placeholder for each value that has a problem; NotJsonError as `parse`.

    Slow, since it calls Python for each object.
    """
    return Parsed(_marked(text.removeprefix(BOM)), is_exact=False)


def _marked(text: bytes) -> object:
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJsonError(f"not UTF-8 at byte {error.start}") from None
    try:
        return json.loads(
            decoded,
            object_pairs_hook=_object,
            parse_int=_shortened if _HUGE_NUMBER.search(decoded) else None,
            parse_constant=_refuse_constant,
        )
    except _ConstantError:
        raise _first_constant(decoded) from None
    except json.JSONDecodeError as error:
        where = _position(decoded, error.pos)
        raise NotJsonError(f"not JSON at {where}: {_lower_first(error.msg)}") from None
    except RecursionError:
        raise NotJsonError("nested too deeply") from None


def _lower_first(message: str) -> str:
    return message[:1].lower() + message[1:]


def _object(pairs: list[tuple[str, object]]) -> object:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return AmbiguousValue(f'has the key "{excerpt(key)}" twice')
        seen.add(key)
    raise AssertionError


# As many digits are beyond 64 bits as well.
def _shortened(digits: str) -> int:
    return int(digits[:_ENOUGH_DIGITS])


def _refuse_constant(name: str) -> NoReturn:
    raise _ConstantError(name)


class _ConstantError(ValueError):
    pass


def _first_constant(text: str) -> NotJsonError:
    at = next(match.start(1) for match in _CONSTANT.finditer(text) if match[1])
    return NotJsonError(f"not JSON at {_position(text, at)}: NaN and Infinity are not JSON values")


def _position(text: str, at: int) -> str:
    return f"line {text.count(chr(10), 0, at) + 1}, column {at - text.rfind(chr(10), 0, at)}"


def brackets(text: bytes) -> int:
    """Return an upper bound of a JSON text's levels: its brackets, those in strings included."""
    return text.count(b"{") + text.count(b"[")


def find_problems(value: object) -> Problems:
    """Return the problems of a value that would not be stored as it was sent.

    Paths are made for the first MAX_PROBLEMS only; the others are counted.
    """
    search = _Search()
    search.look_at(value, None, 1)
    return Problems(tuple(search.found), search.more, frozenset(search.fields))


# The way to a value from the event: the way to what contains it, and its key there.
_Way = tuple["_Way", str | int] | None


class _Search:
    """A walk over a value. It makes no path, and no list of keys, until it finds a problem."""

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self.more = 0
        self.fields: set[str] = set()

    def look_at(self, value: object, way: _Way, depth: int) -> None:
        if type(value) is int:
            if not _MIN_INTEGER <= value <= _MAX_INTEGER:
                self._add(way, "is an integer beyond 64 bits: send it as a string")
        elif type(value) is str:
            if not _is_unicode(value):
                self._add(way, "contains an unpaired surrogate")
        elif type(value) is float:
            if value in _INFINITIES:
                self._add(way, "is a number too large for a double: send it as a string")
        elif type(value) is dict or type(value) is list:
            self._look_into(value, way, depth)
        elif type(value) is AmbiguousValue:
            self._add(way, value.message)

    def _look_into(self, value: dict[str, object] | list[object], way: _Way, depth: int) -> None:
        if depth > MAX_DEPTH:
            self._add(way, f"is nested deeper than {MAX_DEPTH} levels")
            return
        if type(value) is dict:
            for name in value:
                if not _is_unicode(name):
                    self._add((way, name), "is a key that contains an unpaired surrogate")
        for key, item in _items(value):
            if type(item) is dict or type(item) is list:
                self._look_into(item, (way, key), depth + 1)
            elif not (
                (type(item) is int and _MIN_INTEGER <= item <= _MAX_INTEGER)
                or (type(item) is str and item.isascii())
            ):
                self.look_at(item, (way, key), depth)

    def _add(self, way: _Way, message: str) -> None:
        keys = _keys(way)
        if keys:
            self.fields.add(str(keys[0]))
        if len(self.found) < MAX_PROBLEMS:
            self.found.append(Problem(path_of(keys), message))
        else:
            self.more += 1


def _keys(way: _Way) -> list[str | int]:
    keys: list[str | int] = []
    while way is not None:
        keys.append(way[1])
        way = way[0]
    return keys[::-1]


def _items(value: dict[str, object] | list[object]) -> Iterable[tuple[str | int, object]]:
    items: Iterable[tuple[str | int, object]]
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return items


def _is_unicode(text: str) -> bool:
    return text.isascii() or _SURROGATE.search(text) is None
