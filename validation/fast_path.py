"""The fast path: what real senders send, read at a fraction of the schema's cost.

The schema (`schema.py`) decides what is valid. Whatever is accepted here, it accepts too, with the
same bytes as the result; everything in doubt is left to it: one event that breaks a rule, or JSON
of which something may have been lost. A property test compares the two.

A request's events are read together, as columns of one of a few known shapes. A text that is not
written as it will be stored is first parsed and written again. Events without a known shape, and
those that come alone, are read one by one.
"""

import time
from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any

import orjson

from validation.chunks import MAX_TEXTS
from validation.columns import ColumnRules, NeedsSchemaError, has
from validation.exactness import ExactParser
from validation.field_names import name_problems
from validation.fields import stored_form
from validation.outcomes import Accepted, RequestInfo
from validation.schema import BrokenRules, EventSchema
from validation.shapes import MAX_FIELDS, MAX_NAME_CHARS, Batch, Shapes

# In a shorter text there are too few events for columns to pay.
_COLUMNS_BYTES = 2000

# Lists of names that are remembered to be valid.
_MAX_NAMES = 1000


class FastPath:
    """Reader of texts in which every event is on the fast path; it returns None for all others.

    `new_id` makes an event id, `now` returns Unix seconds. `max_event_bytes` limits the stored form
    of an event, `max_batch_events` the length of an array. `clock` returns seconds, and limits how
    often shapes are learned; texts shorter than `columns_bytes` are read event by event.
    """

    def __init__(
        self,
        max_event_bytes: int,
        max_batch_events: int,
        new_id: Callable[[], str],
        now: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
        columns_bytes: int = _COLUMNS_BYTES,
    ) -> None:
        self._max_event_bytes = max_event_bytes
        self._max_batch_events = max_batch_events
        self._columns_bytes = columns_bytes
        self._new_id = new_id
        self._schema = EventSchema(now)
        self._rules = ColumnRules(self._schema, now)
        self._parser = ExactParser()
        self._shapes = Shapes(clock)
        self._valid_names: set[tuple[str, ...]] = set()

    def one(self, text: bytes, info: RequestInfo) -> Accepted | None:
        """Read a text that is one event; None if the schema has to."""
        exact = self._parser.parse(text)
        try:
            return None if exact is None else self._stored(self._checked(exact.value), info)
        except (NeedsSchemaError, BrokenRules):
            return None

    def several(self, text: bytes, info: RequestInfo) -> list[Accepted] | None:
        """Read a text that is an array of events; None if it is long, or the schema has to.

        A text longer than one event may be is read event by event instead, in several turns.
        """
        if len(text) > self._max_event_bytes:
            return None
        try:
            batch = self._shapes.array(text) if self._may_have_shape(text) else None
            if batch is not None:
                return self._batch(batch, info)
            exact = self._parser.parse(text)
            return None if exact is None else self._array(exact.value, exact.text, info)
        except (NeedsSchemaError, BrokenRules):
            return None

    def each(self, texts: Sequence[bytes], info: RequestInfo) -> list[Accepted] | None:
        """Read texts of which each is one event; None if any is long, or the schema has to."""
        if max(map(len, texts)) > self._max_event_bytes:
            return None
        try:
            lines = b"%b\n" % b"\n".join(texts)
            batch = self._shapes.lines(lines) if self._may_have_shape(lines) else None
            if batch is not None:
                return self._batch(batch, info)
            exact = [each for each in map(self._parser.parse, texts) if each is not None]
            if len(exact) < len(texts):
                return None
            values = [each.value for each in exact]
            return self._array(values, b"[%b]" % b",".join([each.text for each in exact]), info)
        except (NeedsSchemaError, BrokenRules):
            return None

    # `text` is the array as orjson writes it.
    def _array(self, events: object, text: bytes, info: RequestInfo) -> list[Accepted]:
        if type(events) is not list or len(events) > self._max_batch_events:
            raise NeedsSchemaError
        batch = None
        if len(text) >= self._columns_bytes and set(map(type, events)) == {dict}:
            self._shapes.learn(events)
            batch = self._shapes.array(text)
        if batch is not None:
            return self._batch(batch, info)
        # More of them take more than a turn: they are for `each`.
        if len(events) > MAX_TEXTS:
            raise NeedsSchemaError
        checked = [self._checked(each) for each in events]
        return [self._stored(each, info) for each in checked]

    def _may_have_shape(self, text: bytes) -> bool:
        return len(text) >= self._columns_bytes and _may_be_canonical(text)

    def _batch(self, batch: Batch, info: RequestInfo) -> list[Accepted]:
        if batch.size > self._max_batch_events:
            raise NeedsSchemaError
        final = self._rules.final(batch.sent)
        client_event_ids = final.get("event_id", [None] * batch.size)
        event_ids = client_event_ids
        if has(NoneType, event_ids):
            event_ids = [each or self._new_id() for each in client_event_ids]
        lines = batch.lines(final, event_ids, info)
        if max(map(len, lines)) > self._max_event_bytes:
            raise NeedsSchemaError
        return list(map(Accepted, event_ids, lines, client_event_ids))

    def _checked(self, event: object) -> dict[str, Any]:
        if not isinstance(event, dict):
            raise NeedsSchemaError
        names = tuple(event)
        if names not in self._valid_names:
            self._check_names(names)
        return self._schema.check(event)

    def _stored(self, checked: dict[str, Any], info: RequestInfo) -> Accepted:
        client_event_id = checked.get("event_id")
        event_id = client_event_id or self._new_id()
        line = orjson.dumps(stored_form(event_id, checked, info))
        if len(line) > self._max_event_bytes:
            raise NeedsSchemaError
        return Accepted(event_id, line, client_event_id)

    def _check_names(self, names: tuple[str, ...]) -> None:
        if any(name_problems(names)):
            raise NeedsSchemaError
        if len(names) <= MAX_FIELDS and sum(map(len, names)) <= MAX_NAME_CHARS:
            if len(self._valid_names) >= _MAX_NAMES:
                self._valid_names.clear()
            self._valid_names.add(names)


# To look at the beginning, the first separator and the first escape costs next to nothing.
def _may_be_canonical(text: bytes) -> bool:
    value = text.find(b'":') + 2
    escaped = text.find(b"\\") + 1
    return (
        text.startswith((b'[{"', b'{"'))
        and text[value : value + 1] != b" "
        and (escaped == 0 or text[escaped : escaped + 1] != b"u")
    )
