"""Correction of timestamps from wrong clocks, by the time at which the client sent the event."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from validation.times import is_about, is_in_final_form, parse_time, utc_text

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
    added_ms = missing_ms(sent_at, now)
    return None if added_ms is None else shifted(timestamp, added_ms, now)


def missing_ms(sent_at: object, now: float) -> int | None:
    """Return the milliseconds that a clock which reads `sent_at` is late; 0 if it is right.

    None if `sent_at` is not RFC 3339. The other arguments are as in `correction`.
    """
    if not isinstance(sent_at, str):
        return None
    if is_about(sent_at, int(now)):
        return 0
    try:
        skew = datetime.fromtimestamp(now, UTC) - parse_time(sent_at)
    except (ValueError, OverflowError):
        return None
    return 0 if abs(skew.total_seconds()) <= TOLERATED_SKEW_S else skew // _MILLISECOND


def shifted(timestamp: object, added_ms: int, now: float) -> Correction | None:
    """Return the correction of the time of an event whose clock is late by `added_ms`.

    None if it needs none or none is possible.
    """
    if not isinstance(timestamp, str):
        return None
    if added_ms == 0 and is_in_final_form(timestamp) and timestamp <= latest_when_sent(int(now)):
        return None
    try:
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


@lru_cache(maxsize=1)
def latest_when_sent(second: int) -> str:
    """Return the latest time that certainly is no later than its request at a Unix second.

    It is in the form of `utc_text`.
    """
    return utc_text(datetime.fromtimestamp(second + TOLERATED_SKEW_S, UTC))
