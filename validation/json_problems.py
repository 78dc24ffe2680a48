"""The problems of a value that `strict_json` has parsed marking what would be lost.

The search works in turns, as a walk over a value has no bound but the size of its text.
"""

import re
from collections.abc import Iterator
from decimal import Decimal

from validation.problems import MAX_PROBLEMS, Problem, Problems, excerpt, path_of
from validation.strict_json import MAX_DEPTH, MAX_INTEGER, MIN_INTEGER
from validation.turns import Meter, Turns

# To search for one costs a tenth of the exception that encoding it raises.
_SURROGATE = re.compile("[\ud800-\udfff]")
_INFINITIES = (float("inf"), float("-inf"))

# The cost of looking at a value, in bytes of the fast path.
_VALUE_BYTES = 4
_VALUES_AT_ONCE = 1024


def find_problems(value: object, meter: Meter) -> Turns[Problems]:
    """Return the problems of a value that would not be stored as it was sent.

    Paths are made for the first MAX_PROBLEMS only; the others are counted.
    """
    search = _Search(meter)
    yield from search.walk(value)
    return Problems(tuple(search.found), search.more, frozenset(search.fields))


_CONTAINERS = frozenset({dict, list, tuple})

# The way to a value from the event: the way to what contains it, and its key there.
_Way = tuple["_Way", str | int] | None
_Items = Iterator[tuple[str | int, object]]


class _Search:
    """A walk over a value. It makes no path, and no list of keys, until it finds a problem."""

    def __init__(self, meter: Meter) -> None:
        self.found: list[Problem] = []
        self.more = 0
        self.fields: set[str] = set()
        self._meter = meter
        # The event's field that the walk is in.
        self._field: str | int | None = None
        self._unmetered = 0

    def walk(self, value: object) -> Turns[None]:
        """Look at a value and at everything in it, in the order of the text."""
        # The containers around the current item, each with its way and the items still to come.
        around: list[tuple[_Way, _Items]] = []
        if not self._enter(value, None, around):
            self._look_at(value, None)
        while around:
            way, items = around[-1]
            for key, item in items:
                self._unmetered += 1
                if self._unmetered >= _VALUES_AT_ONCE and self._is_turn_full():
                    yield
                if way is None:
                    self._field = key
                if type(item) in _CONTAINERS:
                    if self._enter(item, (way, key), around):
                        break
                elif not (
                    (type(item) is int and MIN_INTEGER <= item <= MAX_INTEGER)
                    or (type(item) is str and item.isascii())
                ):
                    self._look_at(item, (way, key))
            else:
                around.pop()

    def _is_turn_full(self) -> bool:
        size = self._unmetered * _VALUE_BYTES
        self._unmetered = 0
        return self._meter.is_full(size)

    def _enter(self, value: object, way: _Way, around: list[tuple[_Way, _Items]]) -> bool:
        """Begin with the items of a container; False if there is nothing to look at in it."""
        if not isinstance(value, dict | list | tuple):
            return False
        names = () if isinstance(value, list) else _names(value)
        self._unmetered += len(names)
        if len(set(names)) != len(names):
            self._add(way, f'has the key "{excerpt(_first_repeated(names))}" twice')
            return False
        if len(around) >= MAX_DEPTH:
            self._add(way, f"is nested deeper than {MAX_DEPTH} levels")
            return False
        for name in names:
            if not _is_unicode(name):
                self._add((way, name), "is a key that contains an unpaired surrogate")
        if not value:
            return False
        around.append((way, _items(value)))
        return True

    def _look_at(self, value: object, way: _Way) -> None:
        if isinstance(value, int | Decimal):
            if not MIN_INTEGER <= value <= MAX_INTEGER:
                self._add(way, "is an integer beyond 64 bits: send it as a string")
        elif type(value) is str:
            if not _is_unicode(value):
                self._add(way, "contains an unpaired surrogate")
        elif type(value) is float and value in _INFINITIES:
            self._add(way, "is a number too large for a double: send it as a string")

    def _add(self, way: _Way, message: str) -> None:
        self._unmetered += 1
        if way is not None:
            self.fields.add(str(way[1] if way[0] is None else self._field))
        if len(self.found) < MAX_PROBLEMS:
            self.found.append(Problem(path_of(_keys(way)), message))
        else:
            self.more += 1


def _keys(way: _Way) -> list[str | int]:
    keys: list[str | int] = []
    while way is not None:
        keys.append(way[1])
        way = way[0]
    return keys[::-1]


def _names(value: dict[str, object] | tuple[tuple[str, object], ...]) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, dict) else tuple([name for name, _ in value])


def _first_repeated(names: tuple[str, ...]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            break
        seen.add(name)
    return name


def _items(value: dict[str, object] | list[object] | tuple[tuple[str, object], ...]) -> _Items:
    if isinstance(value, dict):
        return iter(value.items())
    return iter(value) if isinstance(value, tuple) else iter(enumerate(value))


def _is_unicode(text: str) -> bool:
    return text.isascii() or _SURROGATE.search(text) is None
