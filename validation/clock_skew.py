"""The times of clients whose clocks are wrong: `sent_at` tells by how much."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from validation.timestamps import parse_time, utc_text

# So much may be the way from the client to here; more is the client's clock.
TOLERATED_SKEW_S = 2.0

_MILLISECOND = timedelta(milliseconds=1)


class Correction(NamedTuple):
    """Of one event: its time as sent and as it should be, in UTC, and what was added, in ms."""

    original: str
    corrected: str
    added_ms: int


def correction(timestamp: object, sent_at: object, now: float) -> Correction | None:
    """What is to be done about an event's time; None if nothing is, or nothing can be.

    `sent_at` is when the event was sent, by the clock that `timestamp` is from; `now`, in Unix
    seconds, is when it came. What is not RFC 3339 corrects nothing.
    """
    if not isinstance(timestamp, str) or not isinstance(sent_at, str):
        return None
    try:
        skew = datetime.fromtimestamp(now, UTC) - parse_time(sent_at)
        if abs(skew.total_seconds()) <= TOLERATED_SKEW_S:
            return None
        added_ms = skew // _MILLISECOND
        original = parse_time(timestamp).astimezone(UTC)
        corrected = original + added_ms * _MILLISECOND
    except (ValueError, OverflowError):
        return None
    return Correction(utc_text(original), utc_text(corrected), added_ms)
