"""The schema's rules for many events at once: a column has the values of one field in all of them.

A few calls of compiled code accept a whole column in its usual form. Of any other, each distinct
value is given to the schema's own rule. None stands for an absent value.
"""

import operator
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import NoneType
from typing import Any

from voluptuous import Invalid

from validation.clock_skew import latest_when_sent, missing_ms, shifted
from validation.schema import (
    MAX_EVENT_ID_CHARS,
    MAX_EVENT_TYPE_CHARS,
    MAX_ID_CHARS,
    EventSchema,
)
from validation.times import are_final_times, is_about, later_texts, latest_text

Column = Sequence[Any]
Columns = dict[str, Column]

Types = frozenset[type]

_TEXTS: Types = frozenset({str})
_TEXTS_OR_NONE: Types = frozenset({str, NoneType})
_SCALARS: Types = frozenset({str, int, NoneType})
_OBJECTS: Types = frozenset({dict, NoneType})
_LATEST = "9999-12-31T23:59:59.999Z"
_is_present = partial(operator.is_not, None)
_ID_CHARS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"


class NeedsSchemaError(Exception):
    """An event is not certain to be valid, or not certain to be stored as the schema would."""


class ColumnRules:
    """The rules of a schema for columns; `now` returns Unix seconds."""

    def __init__(self, schema: EventSchema, now: Callable[[], float]) -> None:
        self._rule = schema.rule
        self._now = now

    def final(self, sent: Columns) -> Columns:
        """Return columns as the schema would make them, with those of a correction of times.

        `sent` has the columns with rules, except those that are absent from all events. Raises
        NeedsSchemaError if the schema may refuse any value.
        """
        now = self._now()
        final = {**sent}
        times, sent_at = sent.get("timestamp"), sent.get("sent_at")
        are_final = times is not None and sent_at is not None and _are_right(times, sent_at, now)
        if sent_at is not None and not are_final:
            final |= _corrected(times, sent_at, now)
        try:
            final["event_type"] = self._event_types(sent["event_type"])
            if "event_id" in sent:
                final["event_id"] = self._event_ids(sent["event_id"])
            if "timestamp" in sent and not are_final:
                final["timestamp"] = self._times(final["timestamp"], latest_text(int(now)))
            for name in ("user_id", "session_id"):
                if name in sent:
                    final[name] = self._identifiers(name, sent[name])
            if "properties" in sent:
                final["properties"] = self._properties(sent["properties"])
        except (Invalid, KeyError):
            raise NeedsSchemaError from None
        return final

    def _by_rule(self, name: str, values: Column) -> Column:
        distinct = _distinct(values)
        rule = self._rule(name)
        final = {each: rule(each) for each in distinct}
        return [final[each] for each in values]

    def _event_types(self, values: Column) -> Column:
        is_usual = has_only(_TEXTS, values) and all(map(str.strip, values))
        if is_usual and max(map(len, values)) <= MAX_EVENT_TYPE_CHARS:
            return values
        return self._by_rule("event_type", values)

    def _event_ids(self, values: Column) -> Column:
        return values if _are_event_ids(values) else self._by_rule("event_id", values)

    def _times(self, values: Column, latest: str) -> Column:
        if has_only(_TEXTS, values) and are_final_times(values, latest):
            return values
        return self._by_rule("timestamp", values)

    def _identifiers(self, name: str, values: Column) -> Column:
        if has_only(_TEXTS_OR_NONE, values):
            sizes = set(map(len, filter(_is_present, values)))
            if 0 not in sizes and max(sizes, default=0) <= MAX_ID_CHARS:
                return values
        return self._by_rule(name, values)

    def _properties(self, values: Column) -> Column:
        if has_only(_OBJECTS, values):
            return values
        return list(map(self._rule("properties"), values))


def has(kind: type, values: Iterable[object]) -> bool:
    """Return True if a value is of this type."""
    return kind in set(map(type, values))


def has_only(types: Types, values: Iterable[object]) -> bool:
    """Return True if the values have no other types."""
    return types.issuperset(map(type, values))


# Of other types, distinct values may be equal: True is 1.
def _distinct(values: Column) -> set[Any]:
    if not has_only(_SCALARS, values):
        raise NeedsSchemaError
    return set(values)


def _are_event_ids(values: Column) -> bool:
    if not has_only(_TEXTS, values):
        return False
    joined = ",".join(values)
    others = joined.encode().translate(None, _ID_CHARS)
    return (
        others == b"," * (len(values) - 1)
        and len(max(values, key=len)) <= MAX_EVENT_ID_CHARS
        and "" not in values
        and ",." not in joined
        and joined[0] != "."
    )


def _corrected(timestamps: Column | None, sent_at: Column, now: float) -> Columns:
    missing = {each: missing_ms(each, now) for each in _distinct(sent_at)}
    if "" in missing:
        sent_at = [None if each == "" else each for each in sent_at]
    if timestamps is None:
        return {"sent_at": sent_at}
    added = [missing.get(each) for each in sent_at]
    corrected = _all_shifted(timestamps, added, now)
    if corrected is not None:
        return _corrections(sent_at, corrected, timestamps, added)
    found = [
        None if added_ms is None else shifted(timestamp, added_ms, now)
        for timestamp, added_ms in zip(timestamps, added, strict=True)
    ]
    if not any(found):
        return {"sent_at": sent_at}
    return _corrections(
        sent_at,
        [each.corrected if each else sent for each, sent in zip(found, timestamps, strict=True)],
        [each and each.original for each in found],
        [each and each.added_ms for each in found],
    )


# The usual case, in which nothing has to be corrected.
def _are_right(timestamps: Column, sent_at: Column, now: float) -> bool:
    second = int(now)
    return (
        has_only(_TEXTS, sent_at)
        and all(is_about(each, second) for each in set(sent_at))
        and has_only(_TEXTS, timestamps)
        and are_final_times(timestamps, latest_when_sent(second))
    )


def _corrections(
    sent_at: Column, corrected: Column, originals: Column, added_ms: Column
) -> Columns:
    return {
        "sent_at": sent_at,
        "timestamp": corrected,
        "original_timestamp": originals,
        "clock_correction_ms": added_ms,
    }


def _all_shifted(timestamps: Column, added: Column, now: float) -> list[str] | None:
    """Return what `shifted` makes of final times, all by the same; None for any others."""
    if len(set(added)) > 1 or not added[0] or not has_only(_TEXTS, timestamps):
        return None
    if not are_final_times(timestamps, _LATEST):
        return None
    try:
        corrected = later_texts(timestamps, added[0])
    except OverflowError:
        return None
    return corrected if max(corrected) <= latest_when_sent(int(now)) else None
