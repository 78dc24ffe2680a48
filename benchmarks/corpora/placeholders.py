"""Placeholders for event ids and times in an event's text, and the values that replace them.

A text is made once and filled many times, since to fill it takes a microsecond for each event, and
to make it twenty. Each filling has event ids of its own.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from struct import unpack

MakeIds = Callable[[Random, int], list[bytes]]

EVENT_ID = "@id@"

_PLACEHOLDER = re.compile(rb"@(id|[zo]-?\d+)@")
_BASE36 = bytes(b"0123456789abcdefghijklmnopqrstuvwxyz"[code % 36] for code in range(256))
_SDK_ID_CHARS = 14
_PARIS = timezone(timedelta(hours=1))


def utc(offset_ms: int) -> str:
    """Return a placeholder for the time of sending plus an offset, as JavaScript writes times."""
    return f"@z{offset_ms}@"


def local(offset_ms: int) -> str:
    """Return a placeholder for the same time with microseconds and an offset of one hour."""
    return f"@o{offset_ms}@"


def no_ids(_: Random, __: int) -> list[bytes]:
    """Make none: the sender leaves ids to the server."""
    return []


def beacon_ids(chance: Random, count: int) -> list[bytes]:
    """Make ids of four numbers of 32 bits, as beacon.js does."""
    numbers = unpack(f"<{4 * count}I", chance.randbytes(16 * count))
    return [b"%d-%d-%d-%d" % numbers[at : at + 4] for at in range(0, 4 * count, 4)]


def sdk_ids(chance: Random, count: int) -> list[bytes]:
    """Make ids such as `k3j9x2lq8mz1a0`: `Math.random().toString(36)` and its like."""
    text = chance.randbytes(_SDK_ID_CHARS * count).translate(_BASE36)
    return [text[at : at + _SDK_ID_CHARS] for at in range(0, len(text), _SDK_ID_CHARS)]


def uuids(chance: Random, count: int) -> list[bytes]:
    """Make random UUIDs."""
    text = chance.randbytes(16 * count).hex().encode()
    return [_uuid(text[at : at + 32]) for at in range(0, len(text), 32)]


def _uuid(text: bytes) -> bytes:
    return b"%b-%b-4%b-a%b-%b" % (text[:8], text[8:12], text[13:16], text[17:20], text[20:])


def prefixed_uuids(chance: Random, count: int) -> list[bytes]:
    """Make UUIDs behind a prefix, as analytics.js does."""
    return [b"ajs-next-%b" % each for each in uuids(chance, count)]


class Template:
    """Text with placeholders."""

    def __init__(self, text: str) -> None:
        # Every second piece is the inside of a placeholder.
        self._pieces = _PLACEHOLDER.split(text.encode())
        held = dict(enumerate(self._pieces[1::2]))
        self._ids = [2 * at + 1 for at, inside in held.items() if inside == b"id"]
        self._times = {2 * at + 1: inside for at, inside in held.items() if inside != b"id"}
        self._sent_at: float | None = None

    @property
    def ids(self) -> int:
        """The number of event ids in the text."""
        return len(self._ids)

    def filled(self, ids: Sequence[bytes], sent_at: float) -> bytes:
        """Return the text with these event ids, as sent at a time in Unix seconds."""
        if sent_at != self._sent_at:
            self._sent_at = sent_at
            for at, inside in self._times.items():
                self._pieces[at] = _time(inside, sent_at)
        for at, event_id in zip(self._ids, ids, strict=True):
            self._pieces[at] = event_id
        return b"".join(self._pieces)


def _time(inside: bytes, sent_at: float) -> bytes:
    moment = datetime.fromtimestamp(sent_at, UTC) + timedelta(milliseconds=int(inside[1:]))
    if inside[:1] == b"o":
        return moment.astimezone(_PARIS).isoformat(timespec="microseconds").encode()
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
