"""The fast path: compiled code that reads common events at less than half of the schema's cost.

The schema (`schema.py`) decides what is valid. Whatever is accepted here, it accepts too, with the
same bytes as the result; everything in doubt is left to it: fields of the client's own, a time in
another form, a broken rule. A property test compares the two.
"""

from collections.abc import Callable
from typing import Annotated

import msgspec
import orjson
from msgspec import Meta, Struct

from validation.clock_skew import is_clock_right, latest_when_sent
from validation.fields import stored_form
from validation.outcomes import Accepted, RequestInfo
from validation.schema import EVENT_ID, MAX_EVENT_ID_CHARS, MAX_EVENT_TYPE_CHARS, MAX_ID_CHARS
from validation.strict_json import MAX_DEPTH, brackets, may_have_lost_key
from validation.times import is_final_time, latest_text
from validation.turns import TURN_BYTES, Turns, uncollected

# msgspec takes 16 microseconds for each double of 1e289 and above, a thousand times as long as for
# others; so those of a longer text are left to orjson, at the cost of a call for each double.
_OWN_DOUBLES_BYTES = 8192

_Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARS)]


# A text with its fields in this order is compared fastest; any other order is accepted as well.
class Sent(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False, kw_only=True):
    """An event as the client sends it, with the fields that a client may set and no others.

    None means absent. An event with a null is left to the schema: `may_have_lost_key` notices.
    """

    event_id: Annotated[str, Meta(min_length=1, max_length=MAX_EVENT_ID_CHARS)] | None = None
    event_type: Annotated[str, Meta(min_length=1, max_length=MAX_EVENT_TYPE_CHARS)]
    user_id: _Id | None = None
    session_id: _Id | None = None
    timestamp: str | None = None
    properties: dict[str, object] | None = None
    sent_at: str | None = None


class _NeedsSchema(Exception):
    """The event is not certain to be valid, or not certain to be stored as the schema would."""


# Raised by the decoder, the encoder and orjson; by orjson for an integer beyond 64 bits.
_REFUSALS = (
    _NeedsSchema,
    msgspec.MsgspecError,
    orjson.JSONEncodeError,
    UnicodeDecodeError,
    RecursionError,
)


class FastPath:
    """Reader of texts in which every event is on the fast path; it returns None for all others.

    `new_id` makes an event id, `now` returns Unix seconds. `max_event_bytes` limits the stored form
    of an event, `max_batch_events` the length of an array.
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
        self._now = now
        self._one = msgspec.json.Decoder(Sent)
        self._several = msgspec.json.Decoder(list[Sent])
        self._many = msgspec.json.Decoder(list[Sent], float_hook=orjson.loads)
        self._encoder = msgspec.json.Encoder()

    def one(self, text: bytes, info: RequestInfo) -> Accepted | None:
        """Read a text that is one event; None if the schema has to."""
        try:
            sent = self._one.decode(text)
            self._check_exact(text, sent)
            return self._accept(text, [sent], info)[0]
        except _REFUSALS:
            return None

    def several(self, text: bytes, info: RequestInfo) -> Turns[list[Accepted] | None]:
        """Read a text that is an array of events; None if it is long, or the schema has to.

        A text longer than one event may be is read event by event instead.
        """
        if len(text) > self._max_event_bytes:
            return None
        decoder = self._several if len(text) <= _OWN_DOUBLES_BYTES else self._many
        try:
            sent = uncollected(decoder.decode, text)
            if len(sent) > self._max_batch_events:
                return None
            if len(text) > TURN_BYTES:
                yield
            self._check_exact(text, sent)
            if len(text) > TURN_BYTES:
                yield
            return self._accept(text, sent, info)
        except _REFUSALS:
            return None

    def _check_exact(self, text: bytes, sent: Sent | list[Sent]) -> None:
        again = self._encoder.encode(sent)
        if again != text and may_have_lost_key(text, again):
            raise _NeedsSchema

    def _accept(self, text: bytes, events: list[Sent], info: RequestInfo) -> list[Accepted]:
        now = self._now()
        latest = latest_text(int(now))
        for sent_at in {each.sent_at for each in events}:
            if sent_at is not None:
                if not is_clock_right(sent_at, now):
                    raise _NeedsSchema
                latest = latest_when_sent(int(now))
        accepted = [self._final(each, info, latest) for each in events]
        with_properties = [each for each in events if each.properties is not None]
        if brackets(text) > 1 + len(events) + len(with_properties):
            for each in accepted:
                if brackets(each.line) > MAX_DEPTH:
                    raise _NeedsSchema
        return accepted

    def _final(self, sent: Sent, info: RequestInfo, latest: str) -> Accepted:
        if sent.event_type.isspace():
            raise _NeedsSchema
        client_event_id = _checked_id(sent.event_id)
        event_id = client_event_id or self._new_id()
        stored = stored_form(
            event_id,
            sent.event_type,
            _checked_time(sent.timestamp, latest),
            sent.user_id,
            sent.session_id,
            sent.properties,
            sent.sent_at,
            None,
            info,
        )
        line = orjson.dumps(stored)
        if len(line) > self._max_event_bytes:
            raise _NeedsSchema
        return Accepted(event_id, line, client_event_id)


def _checked_id(event_id: str | None) -> str | None:
    if event_id is None:
        return None
    if EVENT_ID.fullmatch(event_id) is None:
        raise _NeedsSchema
    return event_id


def _checked_time(timestamp: str | None, latest: str) -> str | None:
    if timestamp is None:
        return None
    if not is_final_time(timestamp, latest):
        raise _NeedsSchema
    return timestamp
