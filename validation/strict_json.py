"""JSON text to values, refusing what two readers could understand differently.

orjson parses in a fraction of the time of any other parser, and accepts only JSON (RFC 8259).
Two things it changes in silence, though: of two equal keys it keeps the last, and an integer
beyond 64 bits becomes a double. A text that might contain either, and one that orjson refuses,
is parsed again by the standard library, which is slow but lets us mark such values.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

import orjson

from validation.problems import Problem, excerpt

MAX_DEPTH = 64
BOM = b"\xef\xbb\xbf"
_MIN_INTEGER = -(2**63)
_MAX_INTEGER = 2**64 - 1
_MAX_DIGITS = 20
_LONG_NUMBER = re.compile(rb"[0-9]{19}")
# A string, whose content does not count, or one of JavaScript's constants.
_CONSTANT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|(NaN|-?Infinity)', re.S)
_ESCAPED_QUOTE = b"\\u0022"
_MAX_PROBLEMS = 20


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
    """Parse a whole text.

    `is_exact` promises that the value is what was sent, although its nesting may be too deep.
    Raises NotJsonError if the text is not JSON, not UTF-8, or nested deeper than the parsers go.
    """
    text = text.removeprefix(BOM)
    try:
        value = orjson.loads(text)
        again = orjson.dumps(value)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return Parsed(_parse_marking_ambiguities(text), is_exact=False)
    if again == text or not may_have_lost(text, again):
        return Parsed(value, is_exact=True)
    return Parsed(_parse_marking_ambiguities(text), is_exact=False)


def may_have_lost(text: bytes, again: bytes) -> bool:
    """Return True if a text may have lost something when it was parsed and written `again`.

    A dropped key takes its quotes with it, and only an escape could make up for them.
    """
    return (
        text.count(b'"') != again.count(b'"')
        or _ESCAPED_QUOTE in text
        or _LONG_NUMBER.search(text) is not None
    )


def _parse_marking_ambiguities(text: bytes) -> object:
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJsonError(f"not UTF-8 at byte {error.start}") from None
    try:
        return json.loads(
            decoded,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_double,
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


def _integer(digits: str) -> object:
    if len(digits) <= _MAX_DIGITS and _MIN_INTEGER <= (number := int(digits)) <= _MAX_INTEGER:
        return number
    return AmbiguousValue("is an integer beyond 64 bits: send it as a string")


def _double(digits: str) -> object:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        return AmbiguousValue("is a number too large for a double: send it as a string")
    return number


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


def find_problems(value: object) -> list[Problem]:
    """Return the problems of a value that would not be stored as it was sent: at most 20."""
    found: list[Problem] = []
    for problem in _iterate_problems(value, "", 1):
        found.append(problem)
        if len(found) == _MAX_PROBLEMS:
            break
    return found


def _iterate_problems(value: object, path: str, depth: int) -> Iterator[Problem]:
    if isinstance(value, AmbiguousValue):
        yield Problem(path, value.message)
    elif isinstance(value, str):
        if not _is_unicode(value):
            yield Problem(path, "contains an unpaired surrogate")
    elif isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            yield Problem(path, f"is nested deeper than {MAX_DEPTH} levels")
        elif isinstance(value, dict):
            yield from _iterate_object_problems(value, path, depth)
        else:
            for index, item in enumerate(value):
                yield from _iterate_problems(item, f"{path}[{index}]", depth + 1)


def _iterate_object_problems(value: dict[str, object], path: str, depth: int) -> Iterator[Problem]:
    for key, item in value.items():
        inner = f"{path}.{excerpt(key)}" if path else excerpt(key)
        if not _is_unicode(key):
            yield Problem(inner, "is a key that contains an unpaired surrogate")
        yield from _iterate_problems(item, inner, depth + 1)


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
