"""The identity of an event: the key of its id, and a fingerprint of all that its client sent.

A retry has the same key and the same fingerprint. An event with a known key and another fingerprint
is another event under the same id: a conflict (`FORMAT.md`, "Event ids").

The fingerprint covers the event except those fields that differ from one attempt to the next: the
fields of the server, and `sent_at`. Of a corrected timestamp it covers the original, and of the
time of receipt in place of a missing timestamp nothing. `received_at` never equals a timestamp that
the client sent, so that the two can be told apart.
"""

import re
import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import repeat
from typing import NamedTuple

import orjson

IDENTITY_BYTES = 16

# No client's id has this character, so a client cannot take the id of a conflict.
_SEPARATOR = "~"

# Two ids with the same key, by chance or made on purpose, only look like a conflict: both events
# are kept.
_KEY_BITS = 60
_KEY_MASK = (1 << _KEY_BITS) - 1
FIRST_CONFLICT_KEY = 1 << _KEY_BITS

_DIGEST_BYTES = 8
_TIME_CHARS = 24

_USER_AGENT = b',"user_agent":"'
_IP_ADDRESS = b',"ip_address":"'
_RECEIVED_AT = b',"received_at":"'
_SENT_AT_NAME = b',"sent_at":'
_SENT_AT = _SENT_AT_NAME + b'"'
_TIMESTAMP = b',"timestamp":"'
# Own fields follow, but no correction. Without a brace they are fields of the event, and of no
# object in it.
_SENT_AT_AND_OWN = re.compile(
    rb',"sent_at":"[^"\\]*"'
    rb'((?:(?!,"original_timestamp":),"[^"\\]*":(?:"[^"\\]*"|[^"\\\[\]{},]+))*)'
)
_LAST_FIELDS = re.compile(
    rb'(?:,"user_agent":"(?:[^"\\]|\\.)*")?(?:,"ip_address":"[^"\\]*")?\}', re.S
)

_VOLATILE = ("received_at", "sent_at", "original_timestamp", "clock_correction_ms")
_OF_THE_REQUEST = ("user_agent", "ip_address")
ORIGINAL_ID = "original_event_id"


class Identities(NamedTuple):
    """Keys and fingerprints of several events, in the same order."""

    keys: Sequence[int]
    fingerprints: Sequence[int]


def id_keys(event_ids: Iterable[str]) -> list[int]:
    """Return the key of each id: below 2^60, the same in every process and version."""
    return [digest & _KEY_MASK for digest in _digests(map(str.encode, event_ids))]


def conflict_key(key: int, fingerprint: int) -> int:
    """Return the key of an event that was kept as a conflict: at least FIRST_CONFLICT_KEY."""
    return FIRST_CONFLICT_KEY | (key ^ fingerprint & _KEY_MASK)


def conflict_id(event_id: str, fingerprint: int) -> str:
    """Return the id under which an event is kept whose own id another event has."""
    return f"{event_id}{_SEPARATOR}{fingerprint:016x}"


def is_conflict_id(event_id: str) -> bool:
    """Return True if an id is that of a conflict."""
    return _SEPARATOR in event_id


def conflict_line(line: bytes, kept_as: str) -> bytes:
    """Return an event as it is kept under another id; its own follows as the last field."""
    event = orjson.loads(line)
    return orjson.dumps({**event, "event_id": kept_as, ORIGINAL_ID: event["event_id"]})


def pack(identities: Identities) -> bytes:
    """Return identities as the id log holds them, 16 bytes each."""
    numbers = array("Q", bytes(len(identities.keys) * IDENTITY_BYTES))
    numbers[::2] = array("Q", identities.keys)
    numbers[1::2] = array("Q", identities.fingerprints)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def unpack(raw: bytes) -> Identities:
    """Return the identities that `pack` wrote."""
    numbers = struct.unpack(f"<{len(raw) // 8}Q", raw)
    return Identities(numbers[::2], numbers[1::2])


def fingerprints(lines: Sequence[bytes]) -> Sequence[int]:
    """Return the fingerprint of each event of one request, in its stored form."""
    return _digests(_sent_alike(lines) or map(_sent, lines))


def kept_identity(line: bytes) -> tuple[int, int]:
    """Return key and fingerprint of an event as it is kept, a conflict or not."""
    (fingerprint,) = _digests([_sent(line)])
    try:
        event = orjson.loads(line)
        original_id = event.get(ORIGINAL_ID)
        (key,) = id_keys([original_id or event["event_id"]])
    except (ValueError, KeyError, TypeError, AttributeError):
        return 0, fingerprint
    return (conflict_key(key, fingerprint) if original_id else key), fingerprint


# A copy costs three quarters of a new object.
def _digests(texts: Iterable[bytes]) -> Sequence[int]:
    empty = blake2b(digest_size=_DIGEST_BYTES)
    digests = []
    for text in texts:
        digest = empty.copy()
        digest.update(text)
        digests.append(digest.digest())
    return struct.unpack(f"<{len(digests)}Q", b"".join(digests))


def _sent(line: bytes) -> bytes:
    """Return what a fingerprint covers: the event without its last brace, in the order stored."""
    try:
        event = orjson.loads(line)
        if event["timestamp"] == event.get("received_at"):
            del event["timestamp"]
        if "original_timestamp" in event:
            event["timestamp"] = event["original_timestamp"]
        if ORIGINAL_ID in event:
            event["event_id"] = event.pop(ORIGINAL_ID)
        for name in (*_VOLATILE, *_OF_THE_REQUEST):
            event.pop(name, None)
    except (ValueError, KeyError, TypeError, AttributeError):
        return line
    return orjson.dumps(event)[:-1]


def _sent_alike(lines: Sequence[bytes]) -> list[bytes] | None:
    """Return `_sent` of each event, at a quarter of its cost; None if their forms differ.

    Nothing is parsed: in a JSON string each quotation mark is escaped, so these texts match only
    fields. The first `received_at` is the event's own, since all before it are strings. The last
    fields are the event's own too, since they end with its brace.
    """
    first = lines[0]
    start = first.find(_RECEIVED_AT)
    found = _last_fields(first)
    if start < 0 or found is None:
        return None
    last_fields, own_fields = found
    received_at = first[start : start + len(_RECEIVED_AT) + _TIME_CHARS + 1]
    server_time = received_at.replace(_RECEIVED_AT, _TIMESTAMP)
    sent_at_count = len(lines) if last_fields.startswith(_SENT_AT) else 0
    # Only an event with a `sent_at` can have a corrected timestamp.
    if b"".join(lines).count(_SENT_AT_NAME) != sent_at_count:
        return None
    if not all(map(bytes.endswith, lines, repeat(last_fields))):
        return None
    end = -len(last_fields)
    parts = map(bytes.partition, lines, repeat(received_at))
    return [head.removesuffix(server_time) + tail[:end] + own_fields for head, _, tail in parts]


def _last_fields(line: bytes) -> tuple[bytes, bytes] | None:
    """Return the end of an event from its `sent_at` on, and what a fingerprint covers of it.

    Without `sent_at`, it is the end that no fingerprint covers. None if it cannot be found.
    """
    start = line.rfind(_USER_AGENT)
    if start < 0:
        start = line.rfind(_IP_ADDRESS)
    if start < 0:
        start = len(line) - 1
    if not _LAST_FIELDS.fullmatch(line, start):
        return None
    sent_at = line.rfind(_SENT_AT, 0, start)
    own = _SENT_AT_AND_OWN.fullmatch(line, sent_at, start) if sent_at >= 0 else None
    return (line[start:], b"") if own is None else (line[sent_at:], own[1])
