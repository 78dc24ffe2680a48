"""Shapes: readers and writers, made at run time, of the fields that a sender's events have.

Events of one sender have the same fields in the same order. A struct of them is read by compiled
code; fields without rules stay text in it, so that those of the sender's own cost next to nothing.

Strangers may send any names, so everything that is kept is bounded: a shape has at most MAX_FIELDS
names of MAX_NAME_CHARS together, MAX_SHAPES are kept, those used last, and events are looked at
for a new one at most every LEARNING_S.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat
from types import NoneType
from typing import Annotated, Any

import msgspec
import orjson
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from validation.columns import Column, Columns, has
from validation.exactness import ExactParser
from validation.field_names import name_problems
from validation.fields import CLIENT_FIELDS, FIELDS, PLACED_FIELDS, SERVER_FIELDS, SetBy
from validation.outcomes import RequestInfo
from validation.times import a_millisecond_later

MAX_SHAPES = 16
MAX_FIELDS = 40
MAX_NAME_CHARS = 1000
LEARNING_S = 1.0

_Text = str | UnsetType | None
# msgspec would keep an integer beyond 64 bits.
_Identifier = str | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | UnsetType | None
_TYPES: dict[str, Any] = {
    "event_id": _Text,
    "event_type": _Text,
    "timestamp": _Text,
    "user_id": _Identifier,
    "session_id": _Identifier,
    "sent_at": _Text,
}
_STORED = [each.name for each in FIELDS if each.set_by is not SetBy.STORAGE]
_OTHERS_AT = _STORED.index("sent_at")

_NOTHING = repeat(None)

_REFUSALS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Batch:
    """Events of one shape as columns; `sent` has those with rules, `size` is their number."""

    def __init__(self, shape: "Shape", columns: Columns, sent: Columns, size: int) -> None:
        self._shape = shape
        self._columns = columns
        self.sent = sent
        self.size = size

    def lines(self, final: Columns, event_ids: Column, info: RequestInfo) -> list[bytes]:
        """Return the events as `fields.stored_form` would build them, each as JSON on one line.

        `final` has what the rules made of `sent`.
        """
        columns: dict[str, Iterable[Any]] = {
            **self._columns,
            "original_timestamp": _NOTHING,
            "clock_correction_ms": _NOTHING,
            **final,
            "event_id": event_ids,
            "received_at": repeat(info.received_at),
            "user_agent": repeat(info.user_agent or None),
            "ip_address": repeat(info.ip_address or None),
        }
        timestamps = final.get("timestamp")
        if timestamps is None:
            columns["timestamp"] = repeat(info.received_at)
        else:
            if has(NoneType, timestamps):
                columns["timestamp"] = [each or info.received_at for each in timestamps]
            if info.received_at in timestamps:
                later = a_millisecond_later(info.received_at)
                columns["received_at"] = [
                    later if each == info.received_at else info.received_at for each in timestamps
                ]
        if "properties" in final:
            columns["properties"] = self._texts_of(final["properties"])
        return self._shape.lines(columns)

    def _texts_of(self, properties: Column) -> Column:
        texts = self._columns["properties"]
        if not has(NoneType, properties):
            return texts
        return [
            None if value is None else text for text, value in zip(texts, properties, strict=True)
        ]


class Shape:
    """Fields in the order in which they are sent; any of them may be absent from an event."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        sent = _struct("SentEvent", names, lambda name: _TYPES.get(name, Raw | UnsetType), UNSET)
        self._array: msgspec.json.Decoder[list[Struct]] = msgspec.json.Decoder(list[sent])  # type: ignore[valid-type]
        self._line: msgspec.json.Decoder[Struct] = msgspec.json.Decoder(sent)
        self._typed_names = [each for each in names if each in _TYPES]
        raw_names = [each for each in names if each not in _TYPES]
        self._raw_names = sorted(raw_names, key="properties".__ne__)
        others = [each for each in names if each not in PLACED_FIELDS | SERVER_FIELDS]
        self._stored_names = [*_STORED[:_OTHERS_AT], *others, *_STORED[_OTHERS_AT + 1 :]]
        self._stored = _struct("StoredEvent", self._stored_names, lambda _: object, None)
        self._encoder = msgspec.json.Encoder()

    def array(self, text: bytes) -> list[Struct] | None:
        """Read an array of events of this shape, None if it is not written as it will be stored."""
        try:
            events = self._array.decode(text)
        except _REFUSALS:
            return None
        return events if self._encoder.encode(events) == text else None

    def lines_of(self, text: bytes) -> list[Struct] | None:
        """Read events of this shape, each on a line with an end; None as `array`."""
        try:
            events = self._line.decode_lines(text)
        except _REFUSALS:
            return None
        return events if self._encoder.encode_lines(events) == text else None

    def batch(self, events: list[Struct], parser: ExactParser) -> Batch | None:
        """Return events as columns; None if a field without rules is not as it will be stored."""
        rows = map(msgspec.structs.astuple, events)
        columns: Columns = dict(zip(self.names, zip(*rows, strict=True), strict=True))
        present = [_present(columns[name]) for name in self._raw_names]
        # In the place of one event, since fields are a level deeper than the event.
        text = b"[[%b]]" % b",".join(chain.from_iterable(present))
        exact = parser.parse(text)
        if exact is None or exact.text != text:
            return None
        sent = {name: _values(columns[name]) for name in self._typed_names}
        if "properties" in columns:
            sent["properties"] = _spread(exact.value[0], columns["properties"])
        return Batch(self, columns, sent, len(events))

    def lines(self, columns: dict[str, Iterable[Any]]) -> list[bytes]:
        """Write events as they are stored, from columns in which None stands for an absent value.

        A field of the table without a column is absent from all events.
        """
        stored = map(self._stored, *[columns.get(name, _NOTHING) for name in self._stored_names])
        return list(map(self._encoder.encode, stored))


def _present(column: Column) -> Column:
    return [each for each in column if each is not UNSET] if has(UnsetType, column) else column


def _values(column: Column) -> Column:
    if has(UnsetType, column):
        return [None if each is UNSET else each for each in column]
    return column


def _spread(values: list[Any], column: Column) -> Column:
    """Return the first values, one for each item of a column that is present, None for others."""
    if not has(UnsetType, column):
        return values[: len(column)]
    rest = iter(values)
    return [None if each is UNSET else next(rest) for each in column]


def _struct(
    name: str, names: Iterable[str], type_of: Callable[[str], Any], default: object
) -> type[Struct]:
    labels = {each: f"field_{at}" for at, each in enumerate(names)}
    return msgspec.defstruct(
        name,
        [(label, type_of(each), default) for each, label in labels.items()],
        rename={label: each for each, label in labels.items()},
        forbid_unknown_fields=True,
        omit_defaults=True,
        gc=False,
    )


class Shapes:
    """The shapes that were used last; `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rests_until = float("-inf")
        self._recent: list[Shape] = []
        self._parser = ExactParser()

    def array(self, text: bytes) -> Batch | None:
        """Read an array of events that have a known shape; None if in doubt."""
        return self._read(text, Shape.array)

    def lines(self, text: bytes) -> Batch | None:
        """Read lines of events that have a known shape, each with its end; None if in doubt."""
        return self._read(text, Shape.lines_of)

    def _read(
        self, text: bytes, read: Callable[[Shape, bytes], list[Struct] | None]
    ) -> Batch | None:
        for at, shape in enumerate(self._recent):
            events = read(shape, text)
            if events:
                self._recent.insert(0, self._recent.pop(at))
                return shape.batch(events, self._parser)
        return None

    def learn(self, events: Iterable[dict[str, Any]]) -> None:
        """Make a shape of the fields of events, if they have one and enough time has passed."""
        now = self._clock()
        if now < self._rests_until:
            return
        self._rests_until = now + LEARNING_S
        names: tuple[str, ...] = ()
        for each in dict.fromkeys(map(tuple, events)):
            both = merged(names, each)
            if both is None:
                return
            names = both
        if all(map(_is_plain, names)) and not any(name_problems(names)):
            self._keep(names)

    # Events of one sender may lack any of the usual fields: they share a shape. Own fields must be
    # the same, or a stranger could make the shapes of others as large as he likes.
    def _keep(self, names: tuple[str, ...]) -> None:
        own = set(names) - CLIENT_FIELDS - SERVER_FIELDS
        for shape in self._recent:
            if set(shape.names) - CLIENT_FIELDS - SERVER_FIELDS == own:
                both = merged(tuple(shape.names), names)
                if both is not None:
                    self._recent.remove(shape)
                    names = both
                    break
        self._recent.insert(0, Shape(names))
        del self._recent[MAX_SHAPES:]


def merged(names: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return all names in an order that both have; None if there is none, or they are too many."""
    found = list(names)
    at = 0
    for name in others:
        if name not in found:
            found.insert(at, name)
            if len(found) > MAX_FIELDS:
                return None
        elif found.index(name) < at:
            return None
        at = found.index(name) + 1
    return tuple(found) if sum(map(len, found)) <= MAX_NAME_CHARS else None


# msgspec does not escape the names of fields.
def _is_plain(name: str) -> bool:
    return orjson.dumps(name) == b'"%b"' % name.encode()
