"""The fields of an event: one table of them, and the one builder of the form that is stored.

Every other list of fields (the schema's rules, the tables in EVENTS.md and the README) is tested
against this table, and the fast path's columns against the builder. A field that the server sets is
never a client's to set: schema and fast path drop a client's value for it.
"""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from validation.outcomes import RequestInfo
from validation.times import a_millisecond_later


class SetBy(Enum):
    """The origin of a field's value."""

    CLIENT = "client"
    SERVER = "server"
    # The client's value if there is one, else the server's.
    EITHER = "client or server"
    # Set after this package, by deduplication.
    STORAGE = "storage"


class Field(NamedTuple):
    """A field of an event; an optional one may be absent from the stored form."""

    name: str
    set_by: SetBy
    is_optional: bool


# In the order of the stored form. `sent_at` and the client's own fields, which have other names,
# share one place, in the order in which they were sent.
FIELDS = (
    Field("event_id", SetBy.EITHER, is_optional=False),
    Field("event_type", SetBy.CLIENT, is_optional=False),
    Field("timestamp", SetBy.EITHER, is_optional=False),
    Field("received_at", SetBy.SERVER, is_optional=False),
    Field("user_id", SetBy.CLIENT, is_optional=True),
    Field("session_id", SetBy.CLIENT, is_optional=True),
    Field("properties", SetBy.CLIENT, is_optional=True),
    Field("sent_at", SetBy.CLIENT, is_optional=True),
    Field("original_timestamp", SetBy.SERVER, is_optional=True),
    Field("clock_correction_ms", SetBy.SERVER, is_optional=True),
    Field("user_agent", SetBy.SERVER, is_optional=True),
    Field("ip_address", SetBy.SERVER, is_optional=True),
    Field("original_event_id", SetBy.STORAGE, is_optional=True),
)

_NOT_THE_CLIENTS = (SetBy.SERVER, SetBy.STORAGE)
SERVER_FIELDS = frozenset(each.name for each in FIELDS if each.set_by in _NOT_THE_CLIENTS)
CLIENT_FIELDS = frozenset(each.name for each in FIELDS) - SERVER_FIELDS

# The client's fields that have a place of their own in the stored form.
PLACED_FIELDS = CLIENT_FIELDS - {"sent_at"}
_OPTIONAL_PLACED = ("user_id", "session_id", "properties")


def stored_form(event_id: str, event: Mapping[str, object], info: RequestInfo) -> dict[str, object]:
    """Return an event as it is stored, with its fields in the order of the table.

    None stands for an absent value of a field that has a rule. The other fields keep their order:
    the client's own with `sent_at` among them, then the server's correction.

    `received_at` equals `timestamp` only if the client sent none: then a retry, which is received
    at another time, can be recognized. It is a millisecond later than a `timestamp` that is equal.
    """
    received_at = info.received_at
    timestamp = event.get("timestamp")
    if timestamp == received_at:
        received_at = a_millisecond_later(received_at)
    stored: dict[str, object] = {
        "event_id": event_id,
        "event_type": event["event_type"],
        "timestamp": timestamp or info.received_at,
        "received_at": received_at,
    }
    for name in _OPTIONAL_PLACED:
        value = event.get(name)
        if value is not None:
            stored[name] = value
    for name, value in event.items():
        if name not in PLACED_FIELDS:
            stored[name] = value
    if info.user_agent:
        stored["user_agent"] = info.user_agent
    if info.ip_address:
        stored["ip_address"] = info.ip_address
    return stored
