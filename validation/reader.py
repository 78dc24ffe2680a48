"""Bodies and queries to events in their stored form, or to a list of their problems.

Nothing here knows of HTTP: the reader is given a body and the facts about its request.
"""

import re
from collections.abc import Callable

import orjson

from validation.fast_path import FastPath
from validation.field_names import name_problems
from validation.fields import CLIENT_FIELDS, PLACED_FIELDS, stored_form
from validation.outcomes import Accepted, Rejected, RequestInfo
from validation.problems import Problem, kind_of
from validation.query import QueryError, event_in_query
from validation.schema import BrokenRules, EventSchema
from validation.strict_json import (
    BOM,
    MAX_DEPTH,
    AmbiguousValue,
    NotJsonError,
    brackets,
    find_problems,
    parse,
)

# A line that is not blank, from its first visible character to its end.
_LINE = re.compile(rb"[^ \t\r\n][^\n]*")


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
        self._max_batch_events = max_batch_events
        self._new_id = new_id
        self._schema = EventSchema(now)
        self._fast_path = FastPath(max_event_bytes, max_batch_events, new_id, now)

    def single(self, body: bytes, info: RequestInfo) -> Accepted | Rejected:
        """Read a body that is one event."""
        accepted = self._fast_path.one(body, info)
        if accepted is not None:
            return accepted
        return self._text(body, info, hint=": send several events to /api/v1/events/batch")

    def batch(self, body: bytes, info: RequestInfo) -> list[Accepted | Rejected]:
        """Read a body that is a JSON array of events; BodyError if it is not, or has too many."""
        accepted = self._fast_path.several(body, info)
        if accepted is not None:
            self._check_count(len(accepted))
            return [*accepted]
        try:
            parsed = parse(body)
        except NotJsonError as error:
            raise BodyError("invalid_json", f"{error}{_ndjson_hint(body)}") from None
        events = parsed.value
        if not isinstance(events, list):
            message = f"a batch must be a JSON array of events, not {_kind(events)}"
            raise BodyError("invalid_batch", f"{message}: send one event to /api/v1/events")
        self._check_count(len(events))
        return [self._event(event, info, parsed.is_exact) for event in events]

    def ndjson(self, body: bytes, info: RequestInfo) -> list[Accepted | Rejected]:
        """Read a body with an event on each line; BodyError if it has none or too many."""
        lines: list[bytes] = []
        for match in _LINE.finditer(body.removeprefix(BOM)):
            lines.append(match[0])
            if len(lines) > self._max_batch_events:
                break
        self._check_count(len(lines))
        return [self._text(line, info) for line in lines]

    def query(self, query: str, info: RequestInfo) -> Accepted | Rejected:
        """Read the event that the query of a URL describes; see `query.event_in_query`."""
        try:
            parsed = event_in_query(query)
        except QueryError as error:
            return Rejected("invalid_query", str(error))
        return self._event(parsed.value, info, parsed.is_exact)

    def _check_count(self, events: int) -> None:
        if events == 0:
            raise BodyError("invalid_batch", "the batch has no events")
        if events > self._max_batch_events:
            message = f"a batch may have at most {self._max_batch_events} events"
            raise BodyError("batch_too_large", f"{message}: send several batches")

    def _text(self, text: bytes, info: RequestInfo, hint: str = "") -> Accepted | Rejected:
        try:
            parsed = parse(text)
        except NotJsonError as error:
            return Rejected("invalid_json", str(error))
        if isinstance(parsed.value, list):
            return _rejected([Problem("", f"must be an object, not an array{hint}")])
        return self._event(parsed.value, info, parsed.is_exact)

    def _event(self, event: object, info: RequestInfo, is_exact: bool) -> Accepted | Rejected:
        found = [] if is_exact else find_problems(event)
        if not isinstance(event, dict):
            return _rejected(found or [_not_an_object(event)])
        if not event.keys() <= CLIENT_FIELDS:
            found += name_problems(event)
        try:
            checked = self._schema.check(event)
        except BrokenRules as broken:
            return _rejected(_merged(found, broken.problems))
        if found:
            return _rejected(found)
        return self._accept(checked, info)

    def _accept(self, checked: dict[str, object], info: RequestInfo) -> Accepted | Rejected:
        client_event_id = checked.get("event_id")
        event_id = str(client_event_id or self._new_id())
        stored = _stored(event_id, checked, info)
        line = orjson.dumps(stored)
        size = len(line)
        if size > self._max_event_bytes:
            limit = f"an event may have at most {self._max_event_bytes} bytes"
            return Rejected("event_too_large", f"{limit}, this one has {size}")
        # Counting brackets is cheap, and few of them rule out deep nesting.
        if brackets(line) > MAX_DEPTH and (too_deep := find_problems(stored)):
            return _rejected(too_deep)
        return Accepted(event_id, line, event_id if client_event_id else None)


def _stored(event_id: str, checked: dict[str, object], info: RequestInfo) -> dict[str, object]:
    others = None
    if not checked.keys() <= PLACED_FIELDS:
        others = {name: value for name, value in checked.items() if name not in PLACED_FIELDS}
    return stored_form(
        event_id,
        checked["event_type"],
        checked.get("timestamp"),
        checked.get("user_id"),
        checked.get("session_id"),
        checked.get("properties"),
        None,
        others,
        info,
    )


def _rejected(problems: list[Problem]) -> Rejected:
    return Rejected("invalid_event", "; ".join(map(str, problems)), tuple(problems))


def _not_an_object(event: object) -> Problem:
    return Problem("", f"must be an object, not {kind_of(event)}")


# A problem of the JSON says more about a field than the rule that its placeholder broke.
def _merged(of_the_json: list[Problem], of_the_rules: list[Problem]) -> list[Problem]:
    fields = {each.path.partition(".")[0].partition("[")[0] for each in of_the_json}
    return of_the_json + [each for each in of_the_rules if each.path not in fields]


def _kind(value: object) -> str:
    return f"an object ({value.message})" if isinstance(value, AmbiguousValue) else kind_of(value)


def _ndjson_hint(body: bytes) -> str:
    if body.lstrip().startswith(b"{") and b"\n" in body:
        return " (to send one event per line, set Content-Type: application/x-ndjson)"
    return ""
