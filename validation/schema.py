"""The rules of an event as a voluptuous schema, which decides what is accepted."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from voluptuous import ALLOW_EXTRA, Invalid, MultipleInvalid, Required, Schema
from voluptuous.error import RequiredFieldInvalid

from validation.clock_skew import correction
from validation.fields import SERVER_FIELDS
from validation.problems import Problem, kind_of
from validation.times import event_time

MAX_EVENT_TYPE_CHARS = 128
MAX_EVENT_ID_CHARS = 128
MAX_ID_CHARS = 256

# Fields that a rule for their value alone cannot decide about.
_BEYOND_RULES = SERVER_FIELDS | {"sent_at"}

EVENT_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")

# An integer within 64 bits, sign included, is shorter than MAX_ID_CHARS.
_IDENTIFIER_KINDS = "a string or an integer"


class EventSchema:
    """Checker of events by `rules`; `now` returns the time in Unix seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._optional: dict[str, Callable[[Any], object]] = {
            "event_id": _event_id,
            "user_id": _identifier,
            "session_id": _identifier,
            "timestamp": partial(_timestamp, now),
            "properties": _properties,
        }
        schema: dict[Any, Any] = {Required("event_type"): _event_type, **self._optional}
        self._ruled = frozenset({"event_type", *self._optional})
        self.rules = Schema(schema, extra=ALLOW_EXTRA)

    def check(self, event: dict[str, object]) -> dict[str, object]:
        """Return the event with its fields in their final form; an absent one is None or missing.

        A client's values for fields that the server sets are dropped; if the server corrected the
        time, its own follow at the end. Raises BrokenRules with every problem.
        """
        if not event.keys().isdisjoint(_BEYOND_RULES):
            event = self._corrected(_without_server_fields(event))
        try:
            return self._check_quickly(event)
        except Invalid:
            return self._check_fully(event)

    def _corrected(self, event: dict[str, object]) -> dict[str, object]:
        sent_at = event.get("sent_at")
        if sent_at is None or sent_at == "":
            event.pop("sent_at", None)
        found = correction(event.get("timestamp"), sent_at, self._now())
        if found is None:
            return event
        return {
            **event,
            "timestamp": found.corrected,
            "original_timestamp": found.original,
            "clock_correction_ms": found.added_ms,
        }

    # Call the schema's own functions one by one, at half of the cost of the schema. It accepts an
    # event that none of them refuses; it alone reports what is wrong with any other.
    def _check_quickly(self, event: dict[str, object]) -> dict[str, object]:
        checked = dict(event)
        checked["event_type"] = _event_type(event.get("event_type"))
        for name, rule in self._optional.items():
            if name in event:
                checked[name] = rule(event[name])
        return checked

    # The schema spends as much time on each field without a rule, of which there may be many.
    def _check_fully(self, event: dict[str, object]) -> dict[str, object]:
        ruled = {name: value for name, value in event.items() if name in self._ruled}
        try:
            checked: dict[str, object] = self.rules(ruled)
        except MultipleInvalid as error:
            raise BrokenRules(list(_problems(error))) from None
        return event | checked


def _without_server_fields(event: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in event.items() if name not in SERVER_FIELDS}


class BrokenRules(Exception):
    """An event that breaks rules; `problems` has every one."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def _problems(error: MultipleInvalid) -> Iterator[Problem]:
    for each in error.errors:
        is_missing = isinstance(each, RequiredFieldInvalid)
        message = "is required" if is_missing else each.error_message
        yield Problem(str(each.path[0]), message)


def _text(value: object, most_chars: int, kinds: str) -> str:
    if not isinstance(value, str):
        raise Invalid(f"must be {kinds}, not {kind_of(value)}")
    if len(value) > most_chars:
        raise Invalid(f"must have at most {most_chars} characters, not {len(value)}")
    return value


def _event_type(value: object) -> str:
    if type(value) is str and len(value) <= MAX_EVENT_TYPE_CHARS and value.strip():
        return value
    if value is None:
        raise Invalid("is required")
    text = _text(value, MAX_EVENT_TYPE_CHARS, "a string")
    if not text.strip():
        raise Invalid("must not be blank")
    return text


def _event_id(value: object) -> str | None:
    if value is None or value == "":
        return None
    text = _text(value, MAX_EVENT_ID_CHARS, "a string")
    if EVENT_ID.fullmatch(text) is None:
        raise Invalid("must consist of A-Z a-z 0-9 . _ - and not start with a dot")
    return text


def _identifier(value: object) -> str | None:
    if type(value) is str and 0 < len(value) <= MAX_ID_CHARS:
        return value
    if value is None or value == "":
        return None
    if type(value) is int:
        return str(value)
    return _text(value, MAX_ID_CHARS, _IDENTIFIER_KINDS)


def _timestamp(now: Callable[[], float], value: object) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Invalid(f"must be a string in RFC 3339 format, not {kind_of(value)}")
    try:
        return event_time(value, now())
    except ValueError as error:
        raise Invalid(str(error)) from None


# PHP writes an empty map as an empty array.
def _properties(value: object) -> dict[str, object] | None:
    if value is None or value == "" or value == []:
        return None
    if not isinstance(value, dict):
        raise Invalid(f"must be an object, not {kind_of(value)}")
    return value
