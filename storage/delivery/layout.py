"""The key of the object that an event goes into: a pure function of the sealed segment.

Keys are Hive partitions, as Athena, Spark and DuckDB read them:
`<prefix>/year=2026/month=11/day=23/<name>`, by the UTC date of the event's `timestamp`.
"""

import re
from dataclasses import dataclass

import orjson

from storage.journal.record import Record
from storage.journal.segment import KeyRules

# A conflict has 16 digits more; no client's id contains a tilde.
_EVENT_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}(?:~[0-9a-f]{16})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


# The first fields of a line that this server writes, after the newline before it, and the day.
_LINE_STARTS = re.compile(
    rb'\n\{"event_id":"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}(?:~[0-9a-f]{16})?"'
    rb',"event_type":"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*"'
    rb',"timestamp":"(\d{4}-\d\d-\d\d)'
)


class NotAnEvent(ValueError):
    """A line with a valid checksum but without a valid `event_id` or `timestamp`."""


@dataclass(frozen=True, slots=True)
class Address:
    """The id of an event and its day, `YYYY-MM-DD`, which decide its key."""

    event_id: str
    day: str


def address(line: bytes) -> Address:
    """Return the id and day of an event; NotAnEvent if the line has none that are valid."""
    try:
        event = orjson.loads(line)
        event_id, timestamp = event["event_id"], event["timestamp"]
    except (ValueError, KeyError, TypeError):
        raise NotAnEvent("the line is no event with an event_id and a timestamp") from None
    if not isinstance(event_id, str) or not _EVENT_ID.fullmatch(event_id):
        raise NotAnEvent("the event_id cannot be part of a key")
    if not isinstance(timestamp, str) or not _DAY.fullmatch(timestamp[:10]):
        raise NotAnEvent("the timestamp does not begin with a date")
    return Address(event_id, timestamp[:10])


def common_day(record: Record) -> str | None:
    """Return the day of a record's events; None if each line has to be parsed to find it.

    The fast path: it takes a line only in the form in which this server writes events.
    """
    days = _LINE_STARTS.findall(b"\n" + record.text)
    if len(days) != record.events or len(set(days)) != 1:
        return None
    day: str = days[0].decode()
    return day


def is_batched(rules: KeyRules, events: int) -> bool:
    """Decide whether a segment with this number of events is delivered as batch objects."""
    mode, _, limit = rules.layout.partition("-")
    return mode == "batch" or (mode == "auto" and events > int(limit))


# Before changing the key format: the rules are in each segment's name (`KeyRules`), and segments
# that were begun under the old rules must still get their old keys. Add rules, do not change them.
def event_key(prefix: str, where: Address) -> str:
    """Return the key of an event's own object.

    Athena and Spark skip files whose names begin with an underscore, so an underscore at the
    start of an id is escaped as `%5F`; no id contains a percent sign.
    """
    name = where.event_id
    if name.startswith("_"):
        name = f"%5F{name[1:]}"
    return f"{_partition(prefix, where.day)}/{name}.json"


def unverified_prefix(prefix: str) -> str:
    """Return the prefix of copies that readers skip, since its last name has an underscore."""
    return f"{prefix}/_unverified"


def batch_key(prefix: str, day: str, segment_id: str) -> str:
    """Return the key of the object that holds a segment's events of one day."""
    return f"{_partition(prefix, day)}/{segment_id}.ndjson.gz"


def _partition(prefix: str, day: str) -> str:
    year, month, date = day.split("-")
    return f"{prefix}/year={year}/month={month}/day={date}"
