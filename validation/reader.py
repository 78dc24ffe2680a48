"""Bodies and queries to events in their stored form, or to a list of their problems.

Nothing here knows of HTTP: the reader is given a body and the facts about its request.

Invariants, whatever a body contains: it is read in turns (see `turns.py`); an event is never parsed
if its text alone shows that it is over `max_event_bytes`; and the slow parser, which only finds out
what is wrong with an event, gets at most `max_event_bytes` of it.
"""

import re
from collections.abc import Callable, Iterable

import orjson

from validation.chunks import chunks
from validation.fast_path import FastPath
from validation.field_names import name_problems
from validation.fields import CLIENT_FIELDS, stored_form
from validation.json_problems import find_problems
from validation.outcomes import Accepted, Rejected, RequestInfo
from validation.problems import NO_PROBLEMS, Problem, Problems, kind_of
from validation.query import QueryError, event_in_query
from validation.schema import BrokenRules, EventSchema
from validation.splitting import ArraySplitter, NotAnArrayError, has_object_lines
from validation.strict_json import (
    BOM,
    NotJsonError,
    Parsed,
    parse_exact,
    parse_exact_in_turns,
    parse_marking,
    without_marks,
)
from validation.turns import TURN_BYTES, Meter, Turns, at_once

# A line that is not blank, from its first visible character to its end.
_LINE = re.compile(rb"[^ \t\r\n][^\n]*")
_SPACE = b" \t\r\n"

# The cost of reading an event of any size by the schema, in bytes of the fast path.
_SCHEMA_BYTES = 512

# A longer event is parsed by orjson, as fast as by the fast path, and in several steps.
_SHORT_BYTES = 8192

# The cost of the slow parser, and of a field's name, in bytes of the fast path.
_TIMES_AS_SLOW = 2
_NAME_BYTES = 16
_NAMES_AT_ONCE = 500

_BATCH_HINT = ": send several events to /api/v1/events/batch"


class BodyError(Exception):
    """A body that is not a batch of events: nothing in it is accepted."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class EventReader:
    """Reader of events, in whatever form they are sent.

    `max_event_bytes` limits the stored form of an event, `max_batch_events` the events of a body.
    `new_id` makes an event id, `now` returns Unix seconds.
    """

    def __init__(
        self,
        max_event_bytes: int,
        max_batch_events: int,
        new_id: Callable[[], str],
        now: Callable[[], float],
    ) -> None:
        self._max_event_bytes = max_event_bytes
        self._short_bytes = min(max_event_bytes, _SHORT_BYTES)
        self._max_batch_events = max_batch_events
        self._new_id = new_id
        self._schema = EventSchema(now)
        self._fast_path = FastPath(max_event_bytes, max_batch_events, new_id, now)
        self._arrays = ArraySplitter(max_batch_events)

    def single(self, body: bytes, info: RequestInfo) -> Accepted | Rejected:
        """Read a body that is one event, at once."""
        outcome: Accepted | Rejected | None = None
        if len(body) <= self._short_bytes:
            outcome = self._fast_path.one(body, info)
            outcome = outcome or self._exact_by_schema(body, info, _BATCH_HINT)
        return outcome or at_once(self.single_in_turns(body, info))

    def batch(self, body: bytes, info: RequestInfo) -> list[Accepted | Rejected]:
        """Read a body that is an array of events, or lines of them, at once.

        Raises BodyError if it is neither, or has none or too many.
        """
        return at_once(self.batch_in_turns(body, info))

    def ndjson(self, body: bytes, info: RequestInfo) -> list[Accepted | Rejected]:
        """Read a body with an event on each line, at once; BodyError if it has none or too many."""
        return at_once(self.ndjson_in_turns(body, info))

    def single_in_turns(self, body: bytes, info: RequestInfo) -> Turns[Accepted | Rejected]:
        """Read a body that is one event."""
        return (yield from self._by_schema(body, info, Meter(), _BATCH_HINT))

    def is_short(self, body: bytes) -> bool:
        """Return True if to read one event at once takes no more than a turn."""
        return len(body) <= self._short_bytes

    def batch_in_turns(self, body: bytes, info: RequestInfo) -> Turns[list[Accepted | Rejected]]:
        """Read a body that is an array of events; `batch` says what it raises."""
        accepted = self._fast_path.several(body, info)
        if accepted is not None:
            self._check_count(len(accepted))
            return [*accepted]
        has_lines = has_object_lines(body)
        yield
        if has_lines:
            return (yield from self._lines(body, info))
        texts = yield from self._elements(body)
        yield
        return (yield from self._each(texts, info))

    def ndjson_in_turns(self, body: bytes, info: RequestInfo) -> Turns[list[Accepted | Rejected]]:
        """Read a body with an event on each line; `ndjson` says what it raises."""
        is_array = body[:1] == b"[" and self._arrays.is_array(body)
        if len(body) > TURN_BYTES:
            yield
        if is_array:
            return (yield from self.batch_in_turns(body, info))
        return (yield from self._lines(body, info))

    def query(self, query: str, info: RequestInfo) -> Accepted | Rejected:
        """Read the event that the query of a URL describes; see `query.event_in_query`."""
        try:
            parsed = event_in_query(query)
        except QueryError as error:
            return Rejected("invalid_query", str(error))
        return at_once(self._event(parsed, info, Meter()))

    def _elements(self, body: bytes) -> Turns[list[bytes]]:
        try:
            texts = yield from self._arrays.split(body)
        except NotJsonError as error:
            raise BodyError("invalid_json", f"{error}{_ndjson_hint(body)}") from None
        except NotAnArrayError as error:
            raise BodyError("invalid_batch", f"a batch must be {error}") from None
        self._check_count(self._max_batch_events + 1 if texts is None else len(texts))
        return texts or []

    def _lines(self, body: bytes, info: RequestInfo) -> Turns[list[Accepted | Rejected]]:
        lines: list[bytes] = []
        for match in _LINE.finditer(body.removeprefix(BOM)):
            lines.append(match[0])
            if len(lines) > self._max_batch_events:
                break
        self._check_count(len(lines))
        if len(body) > TURN_BYTES:
            yield
        return (yield from self._each(lines, info))

    def _check_count(self, events: int) -> None:
        if events == 0:
            raise BodyError("invalid_batch", "the batch has no events")
        if events > self._max_batch_events:
            message = f"a batch may have at most {self._max_batch_events} events"
            raise BodyError("batch_too_large", f"{message}: send several batches")

    def _each(self, texts: Iterable[bytes], info: RequestInfo) -> Turns[list[Accepted | Rejected]]:
        meter = Meter()
        outcomes: list[Accepted | Rejected] = []
        for chunk in chunks(texts):
            accepted = None
            if len(chunk) > 1:
                if meter.is_full(sum(map(len, chunk))):
                    yield
                accepted = self._fast_path.each(chunk, info)
            outcomes += accepted or (yield from self._one_by_one(chunk, info, meter))
        return outcomes

    def _one_by_one(
        self, texts: Iterable[bytes], info: RequestInfo, meter: Meter
    ) -> Turns[list[Accepted | Rejected]]:
        outcomes: list[Accepted | Rejected] = []
        for text in texts:
            size = len(text)
            if meter.is_full(size):
                yield
            is_short = size <= self._short_bytes
            outcome: Accepted | Rejected | None
            outcome = self._fast_path.one(text, info) if is_short else None
            if outcome is None:
                if meter.is_full(size + _SCHEMA_BYTES):
                    yield
                outcome = self._exact_by_schema(text, info) if is_short else None
            outcomes.append(outcome or (yield from self._by_schema(text, info, meter)))
        return outcomes

    def _exact_by_schema(
        self, text: bytes, info: RequestInfo, hint: str = ""
    ) -> Accepted | Rejected | None:
        """Read a short event by the schema; None if it has to be parsed slowly."""
        parsed = parse_exact(text)
        if parsed is None or not parsed.is_exact:
            return None
        event, found = parsed.value, NO_PROBLEMS
        if isinstance(event, dict) and not event.keys() <= CLIENT_FIELDS:
            names = list(name_problems(event))
            found = found.followed_by(names) if names else found
        return self._checked(event, found, info, hint)

    def _by_schema(
        self, text: bytes, info: RequestInfo, meter: Meter, hint: str = ""
    ) -> Turns[Accepted | Rejected]:
        if self._is_certainly_too_large(text):
            return self._too_large(f"{len(text)} as sent")
        if meter.is_full(len(text)):
            yield
        parsed = yield from parse_exact_in_turns(text, meter)
        if parsed is None:
            if len(text) > self._max_event_bytes:
                return self._too_large(f"{len(text)} as sent")
            if meter.is_full(len(text) * _TIMES_AS_SLOW):
                yield
            try:
                parsed = yield from parse_marking(text, meter)
            except NotJsonError as error:
                return Rejected("invalid_json", str(error))
        if meter.is_full(len(text) // _TIMES_AS_SLOW):
            yield
        return (yield from self._event(parsed, info, meter, hint))

    # White space and escapes are all that makes an event shorter when it is stored, apart from
    # digits that no number needs, and nulls and fields of the server that nobody needs to send.
    def _is_certainly_too_large(self, text: bytes) -> bool:
        if len(text) <= self._max_event_bytes:
            return False
        visible = len(text.translate(None, _SPACE))
        return visible - 5 * text.count(b"\\u") - text.count(b"\\/") > self._max_event_bytes

    def _too_large(self, size: str) -> Rejected:
        limit = f"an event may have at most {self._max_event_bytes} bytes"
        return Rejected("event_too_large", f"{limit}, this one has {size}")

    def _event(
        self, parsed: Parsed, info: RequestInfo, meter: Meter, hint: str = ""
    ) -> Turns[Accepted | Rejected]:
        event, found = parsed.value, NO_PROBLEMS
        if not parsed.is_exact:
            found = yield from find_problems(event, meter)
            event = event if found.first else without_marks(event)
        if isinstance(event, dict) and not event.keys() <= CLIENT_FIELDS:
            found = found.followed_by((yield from _name_problems(list(event), meter)))
        return self._checked(event, found, info, hint)

    def _checked(
        self, event: object, found: Problems, info: RequestInfo, hint: str
    ) -> Accepted | Rejected:
        if not isinstance(event, dict):
            return _rejected(found) if found.first else _not_an_object(event, hint)
        try:
            checked = self._schema.check(event)
        except BrokenRules as broken:
            # A problem of the JSON says more about a field than the rule its placeholder broke.
            rules = [each for each in broken.problems if each.path not in found.fields]
            return _rejected(found.followed_by(rules))
        return _rejected(found) if found.first else self._accept(checked, info)

    def _accept(self, checked: dict[str, object], info: RequestInfo) -> Accepted | Rejected:
        client_event_id = checked.get("event_id")
        event_id = str(client_event_id or self._new_id())
        line = orjson.dumps(stored_form(event_id, checked, info))
        size = len(line)
        if size > self._max_event_bytes:
            return self._too_large(str(size))
        return Accepted(event_id, line, event_id if client_event_id else None)


def _name_problems(names: list[str], meter: Meter) -> Turns[list[Problem]]:
    seen: dict[str, str] = {}
    problems: list[Problem] = []
    for at in range(0, len(names), _NAMES_AT_ONCE):
        part = names[at : at + _NAMES_AT_ONCE]
        if meter.is_full(len(part) * _NAME_BYTES):
            yield
        problems += name_problems(part, seen)
    return problems


def _not_an_object(event: object, hint: str) -> Rejected:
    advice = hint if isinstance(event, list) else ""
    problem = Problem("", f"must be an object, not {kind_of(event)}{advice}")
    return _rejected(Problems((problem,)))


def _rejected(problems: Problems) -> Rejected:
    return Rejected("invalid_event", problems.summary(), problems.first, problems.more)


def _ndjson_hint(body: bytes) -> str:
    if body.lstrip().startswith(b"{") and b"\n" in body:
        return " (to send one event per line, set Content-Type: application/x-ndjson)"
    return ""
