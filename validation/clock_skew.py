"""The times of clients whose clocks are wrong: `sent_at` tells by how much."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from validation.times import parse_time, utc_text

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
        skew = _skew(sent_at, now)
        if _is_small(skew):
            return None
        added_ms = skew // _MILLISECOND
        original = parse_time(timestamp).astimezone(UTC)
        corrected = original + added_ms * _MILLISECOND
    except (ValueError, OverflowError):
        return None
    return Correction(utc_text(original), utc_text(corrected), added_ms)


def is_clock_right(sent_at: str, now: float) -> bool:
    """Whether a clock that says `sent_at` certainly leaves nothing to correct."""
    try:
        return _is_small(_skew(sent_at, now))
    except (ValueError, OverflowError):
        return False


def _skew(sent_at: str, now: float) -> timedelta:
    return datetime.fromtimestamp(now, UTC) - parse_time(sent_at)


def _is_small(skew: timedelta) -> bool:
    return abs(skew.total_seconds()) <= TOLERATED_SKEW_S
