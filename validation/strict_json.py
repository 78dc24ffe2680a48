"""JSON text to values, refusing what two readers could understand differently.

orjson parses in a fraction of the time of any other parser, and accepts only JSON (RFC 8259).
Two things it changes in silence, though: of two equal keys it keeps the last, and an integer
beyond 64 bits becomes a double. Both are noticed exactly, by compiled code (`parse_exact`). A text
that contains either, and one that orjson refuses, is never accepted; only to say what is wrong with
it, and where, it is parsed again by the standard library (`parse_marking`) and searched by Python
(`json_problems.py`), which takes up to ten times as long. The caller decides whether that is worth
its time.

All of it works in turns: each parser is called for a whole text, which cannot be interrupted, but
no Python runs for each value of a text without a break. In particular no parser calls Python back.
"""

import json
import re
from decimal import Decimal
from typing import NamedTuple, NoReturn

import orjson

from validation.turns import Meter, Turns, at_once, uncollected

MAX_DEPTH = 64
BOM = b"\xef\xbb\xbf"
MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**64 - 1
# The digits of an integer that may be beyond 64 bits, which take 19, or a part of a double. No
# condition may follow them: it would be tried again from each digit on.
_LONG_INTEGER = re.compile(rb"[0-9]{19,}+")
_BEFORE_DIGITS_OF_DOUBLE = (b".", b"e", b"E", b"e-", b"E-", b"e+", b"E+")
_AFTER_DIGITS_OF_DOUBLE = (b".", b"e", b"E")
# JSON from outside of a string up to where a string begins that does not end, or to its end.
_WHOLE_STRINGS = re.compile(rb'[^"]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"]*+)*+', re.S)
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.S)
# orjson writes every double of 1e16 and above with an exponent.
_EXPONENT = b"e+"
# As many digits are beyond 64 bits, and converted fast.
_ENOUGH_DIGITS = 25
# JSON up to the first of JavaScript's constants, NaN and Infinity.
_BEFORE_CONSTANT = re.compile(r'(?:[^"NI]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.S)
_BACKSLASH = b"\\\\"
_ESCAPED_QUOTE = b"\\u0022"
_ORJSON_DEPTH = 254

# To write a value takes at most this part of the time to parse it.
_WRITTEN_TIMES_AS_FAST = 4

# The cost of a member of an object, in bytes of the fast path.
_MEMBER_BYTES = 2


class NotJsonError(ValueError):
    """A text that is not JSON; the message has the position."""


class Parsed(NamedTuple):
    """A parsed value; unless `is_exact`, it may contain problems that `find_problems` finds.

    Objects are dicts if a text was parsed exactly; `parse_marking` says what they are otherwise.
    """

    value: object
    is_exact: bool


def parse(text: bytes) -> Parsed:
    """Parse a whole text, at once: for texts whose length is bounded.

    Raises NotJsonError if the text is not JSON, not UTF-8, or nested deeper than the parsers go.
    """
    return parse_exact(text) or at_once(parse_marking(text, Meter()))


def parse_exact(text: bytes) -> Parsed | None:
    """Parse a short text, at once, as `parse_exact_in_turns` does."""
    return at_once(parse_exact_in_turns(text, Meter()))


def parse_exact_in_turns(text: bytes, meter: Meter) -> Turns[Parsed | None]:
    """Parse a text; None if it is not JSON, or anything in it would be lost.

    A value that may be nested too deeply is not `is_exact`, since that is a problem as well.
    """
    text = text.removeprefix(BOM)
    try:
        value = uncollected(orjson.loads, text)
        if meter.is_full(len(text) // _WRITTEN_TIMES_AS_FAST):
            yield
        again = orjson.dumps(value)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    if again != text:
        if _has_lost_key(text, again):
            return None
        if _EXPONENT in again:
            if meter.is_full(len(text)):
                yield
            if _has_lost_integer(text):
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


# Digits in a string do not count; which ones are in a string is found out for large numbers only.
def _has_lost_integer(text: bytes) -> bool:
    outside = 0
    for match in _LONG_INTEGER.finditer(text):
        at = match.start()
        if at < outside or not _is_large(text, match):
            continue
        before = _WHOLE_STRINGS.match(text, outside, at)
        outside = before.end() if before else at
        if outside == at:
            return True
        string = _STRING.match(text, outside)
        outside = string.end() if string else len(text)
    return False


def _is_large(text: bytes, digits: re.Match[bytes]) -> bool:
    before = text[max(0, digits.start() - 2) : digits.start()]
    if before.endswith(_BEFORE_DIGITS_OF_DOUBLE):
        return False
    if text.startswith(_AFTER_DIGITS_OF_DOUBLE, digits.end()):
        return False
    most = -MIN_INTEGER if before.endswith(b"-") else MAX_INTEGER
    return int(digits[0][:_ENOUGH_DIGITS]) > most


def parse_marking(text: bytes, meter: Meter) -> Turns[Parsed]:
    """Parse a text that `parse_exact` has not parsed; NotJsonError as `parse`.

    An object is a tuple of its members, each a name and a value: so equal names are kept, and all
    of it is compiled code. Only the value itself and its own items are dicts, unless they have
    equal names.
    """
    text = text.removeprefix(BOM)
    try:
        value = uncollected(_marked, text)
    except _HugeIntegerError:
        if meter.is_full(len(text)):
            yield
        value = uncollected(_marked_with_huge_integers, text)
    if type(value) is tuple:
        if meter.is_full(len(value) * _MEMBER_BYTES):
            yield
        value = _unmarked(value)
        if type(value) is dict:
            value = {name: _unmarked(item) for name, item in value.items()}
    return Parsed(value, is_exact=False)


def _unmarked(value: object) -> object:
    if type(value) is Decimal and MIN_INTEGER <= value <= MAX_INTEGER:
        return int(value)
    if type(value) is not tuple:
        return value
    found = dict(value)
    return found if len(found) == len(value) else value


class _HugeIntegerError(ValueError):
    """An integer with so many digits that the standard library refuses to convert it."""


# A Decimal takes any number of digits, in a time that does not grow with their square.
def _marked_with_huge_integers(text: bytes) -> object:
    return _marked(text, parse_int=Decimal)


def _marked(text: bytes, parse_int: type[Decimal] | None = None) -> object:
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJsonError(f"not UTF-8 at byte {error.start}") from None
    try:
        return json.loads(
            decoded,
            object_pairs_hook=tuple,
            parse_int=parse_int,
            parse_constant=_refuse_constant,
        )
    except _ConstantError:
        raise _first_constant(decoded) from None
    except json.JSONDecodeError as error:
        where = _position(decoded, error.pos)
        raise NotJsonError(f"not JSON at {where}: {_lower_first(error.msg)}") from None
    except RecursionError:
        raise NotJsonError("nested too deeply") from None
    except ValueError:
        raise _HugeIntegerError from None


def _lower_first(message: str) -> str:
    return message[:1].lower() + message[1:]


def _refuse_constant(name: str) -> NoReturn:
    raise _ConstantError(name)


class _ConstantError(ValueError):
    pass


def _first_constant(text: str) -> NotJsonError:
    found = _BEFORE_CONSTANT.match(text)
    at = found.end() if found else 0
    at -= text[at - 1 : at] == "-"
    return NotJsonError(f"not JSON at {_position(text, at)}: NaN and Infinity are not JSON values")


def _position(text: str, at: int) -> str:
    return f"line {text.count(chr(10), 0, at) + 1}, column {at - text.rfind(chr(10), 0, at)}"


def brackets(text: bytes) -> int:
    """Return an upper bound of a JSON text's levels: its brackets, those in strings included."""
    return text.count(b"{") + text.count(b"[")


def without_marks(value: object) -> object:
    """Return a value of `parse_marking` in which there is no problem, with dicts as its objects."""
    if isinstance(value, dict | tuple):
        members = value.items() if isinstance(value, dict) else value
        return {name: without_marks(item) for name, item in members}
    return [without_marks(item) for item in value] if isinstance(value, list) else value
