"""Correction of timestamps from wrong clocks, by the time at which the client sent the event."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from validation.times import parse_time, utc_text

# A difference up to this may be the time in transit; a larger one is the client's clock.
TOLERATED_SKEW_S = 2.0

_MILLISECOND = timedelta(milliseconds=1)


class Correction(NamedTuple):
    """The time of an event as sent and as corrected, both in UTC, and the difference in ms."""

    original: str
    corrected: str
    added_ms: int


def correction(timestamp: object, sent_at: object, now: float) -> Correction | None:
    """Return the correction of an event's time; None if it needs none or none is possible.

    `sent_at` is the time of sending by the same clock as `timestamp`; `now`, in Unix seconds, is
    the time of receipt. An event that is still later than its request was sent before its clock
    was set back; then it has the time of receipt. A value that is not RFC 3339 makes a correction
    impossible.
    """
    if not isinstance(timestamp, str) or not isinstance(sent_at, str):
        return None
    try:
        skew = _skew(sent_at, now)
        added_ms = 0 if _is_small(skew) else skew // _MILLISECOND
        original = parse_time(timestamp).astimezone(UTC)
        corrected = original + added_ms * _MILLISECOND
    except (ValueError, OverflowError):
        return None
    received = datetime.fromtimestamp(now, UTC)
    if (corrected - received).total_seconds() > TOLERATED_SKEW_S:
        corrected = received
        added_ms = (received - original) // _MILLISECOND
    if added_ms == 0:
        return None
    return Correction(utc_text(original), utc_text(corrected), added_ms)


def is_clock_right(sent_at: str, now: float) -> bool:
    """Return True if a clock that reads `sent_at` certainly needs no correction."""
    try:
        return _is_small(_skew(sent_at, now))
    except (ValueError, OverflowError):
        return False


@lru_cache(maxsize=1)
def latest_when_sent(second: int) -> str:
    """Return the latest time that needs no correction at a Unix second, if the clock is right.

    It is in the form of `utc_text`.
    """
    return utc_text(datetime.fromtimestamp(second + TOLERATED_SKEW_S, UTC))


def _skew(sent_at: str, now: float) -> timedelta:
    return datetime.fromtimestamp(now, UTC) - parse_time(sent_at)


def _is_small(skew: timedelta) -> bool:
    return abs(skew.total_seconds()) <= TOLERATED_SKEW_S
