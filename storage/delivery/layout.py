"""Which object an event goes into: a pure function of the sealed segment.

Keys are Hive partitions, as Athena, Spark and DuckDB read them:
`<prefix>/year=2026/month=11/day=23/<name>`, by the UTC date of the event's `timestamp`.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import contains

import orjson

from storage.journal.segment import KeyRules

_EVENT_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

# How the lines begin that this server writes; an event type may hold any character, escaped.
_ORDINARY = re.compile(
    rb'^\{"event_id":"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}",'
    rb'"event_type":"[^"\\]*+(?:\\.[^"\\]*+)*+",'
    rb'"timestamp":"([0-9]{4}-[0-9]{2}-[0-9]{2})',
    re.MULTILINE,
)

_TIMESTAMP = b'"timestamp":"'

# Level 6 halves the bytes of level 1 on small events for 1 microsecond more each.
_GZIP_LEVEL = 6
_GZIP_CONTAINER = 31
_CHUNK_LINES = 256


class NotAnEvent(ValueError):
    """A line that checks out but has no valid `event_id` or `timestamp`."""


@dataclass(frozen=True, slots=True)
class Address:
    """What of an event decides its key: its id and its day, `YYYY-MM-DD`."""

    event_id: str
    day: str


def address(line: bytes) -> Address:
    """Where an event belongs; NotAnEvent if the line does not say."""
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


def days(lines: Sequence[bytes]) -> list[str] | None:
    """The day of each event, at a fifth of the cost of their addresses.

    None if a line is not in the usual form: then `address` decides about each.
    """
    found = _ORDINARY.findall(b"\n".join(lines))
    return [day.decode() for day in found] if len(found) == len(lines) else None


def common_day(lines: Sequence[bytes]) -> str | None:
    """The day that all events are of, for less than `days` costs; None if none is certain.

    A line whose only timestamp is of the day is of the day, wherever in it that stands.
    """
    first = _ORDINARY.match(lines[0])
    if first is None:
        return None
    stamp = _TIMESTAMP + first[1]
    all_alike = b"".join(lines).count(_TIMESTAMP) == len(lines)
    return first[1].decode() if all_alike and all(map(contains, lines, repeat(stamp))) else None


def is_batched(rules: KeyRules, events: int) -> bool:
    """Whether a segment of so many events is delivered as batch objects."""
    mode, _, limit = rules.layout.partition("-")
    return mode == "batch" or (mode == "auto" and events > int(limit))


def event_key(prefix: str, where: Address) -> str:
    """The key of an event's own object.

    Athena and Spark skip files whose names begin with an underscore, so that is escaped, in a
    way that no id has.
    """
    name = where.event_id
    if name.startswith("_"):
        name = f"%5F{name[1:]}"
    return f"{_partition(prefix, where.day)}/{name}.json"


def batch_key(prefix: str, day: str, segment_id: str) -> str:
    """The key of the object that holds a segment's events of one day."""
    return f"{_partition(prefix, day)}/{segment_id}.ndjson.gz"


def _partition(prefix: str, day: str) -> str:
    year, month, date = day.split("-")
    return f"{prefix}/year={year}/month={month}/day={date}"


def compress(lines: Iterable[bytes]) -> Iterator[bytes]:
    """A batch object's body, piece by piece: one event a line, gzipped.

    The same lines give the same bytes: the header holds no time and no name.
    """
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_CONTAINER)
    chunk: list[bytes] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == _CHUNK_LINES:
            yield packer.compress(b"\n".join(chunk) + b"\n")
            chunk.clear()
    yield packer.compress(b"".join(line + b"\n" for line in chunk))
    yield packer.flush()
