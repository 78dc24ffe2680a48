"""Correction of timestamps from wrong clocks, by the time at which the client sent the event."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from validation.times import is_about, parse_time, utc_text

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
    the time of receipt. A value that is not RFC 3339 makes a correction impossible.
    """
    added_ms = missing_ms(sent_at, now)
    return None if added_ms is None else shifted(timestamp, added_ms)


def missing_ms(sent_at: object, now: float) -> int | None:
    """Return the milliseconds that a clock which reads `sent_at` is late; None if it is right.

    None as well if `sent_at` is not RFC 3339. The other arguments are as in `correction`.
    """
    if not isinstance(sent_at, str) or is_about(sent_at, int(now)):
        return None
    try:
        skew = datetime.fromtimestamp(now, UTC) - parse_time(sent_at)
    except (ValueError, OverflowError):
        return None
    return None if abs(skew.total_seconds()) <= TOLERATED_SKEW_S else skew // _MILLISECOND


def shifted(timestamp: object, added_ms: int) -> Correction | None:
    """Return the correction of an event's time by `added_ms`; None if it is impossible."""
    if not isinstance(timestamp, str):
        return None
    try:
        original = parse_time(timestamp).astimezone(UTC)
        corrected = original + added_ms * _MILLISECOND
    except (ValueError, OverflowError):
        return None
    return Correction(utc_text(original), utc_text(corrected), added_ms)
