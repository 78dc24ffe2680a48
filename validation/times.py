"""Points in time as text: RFC 3339 in, UTC to the millisecond out."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from functools import lru_cache

# The fields of RFC 3339, section 5.6; what is no date is for the calendar to find.
_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:)(\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_MAX_CHARS = 64
_FINAL_CHARS = 24
# Every third character from the first hyphen to the point.
_FINAL_MARKS = "--T::."
_LEAP_SECOND = "60"
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_EARLIEST_TEXT = "2000-01-01T00:00:00.000Z"
_AHEAD_S = 24 * 60 * 60
_SECOND = timedelta(seconds=1)
_MIDNIGHT = time_of_day(0)


def utc_text(moment: datetime) -> str:
    """A moment that is in UTC, as `2026-11-23T17:30:00.123Z`; what is finer is cut off."""
    return f"{moment.isoformat(timespec='milliseconds')[:-6]}Z"


class UtcClock:
    """Tells the time as text, at a third of what it costs to format each one whole.

    `now` gives Unix seconds.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._second = -1
        self._text = ""

    def __call__(self) -> str:
        """The present time, in the form of `utc_text`."""
        now = self._now()
        second = int(now)
        if second != self._second:
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return f"{self._text}.{int((now - second) * 1000):03d}Z"


def event_time(text: str, now: float) -> str:
    """The time of an event, read from RFC 3339 with a zone; `now` is in Unix seconds.

    ValueError, with a message for the client, if it is something else or out of range.
    """
    is_final = _is_in_final_form(text)
    moment = parse_time(text)
    if moment < _EARLIEST:
        raise ValueError("must not be before 2000-01-01")
    if moment.timestamp() > now + _AHEAD_S:
        raise ValueError("must not be more than 24 hours from now")
    return text if is_final else utc_text(moment.astimezone(UTC))


@lru_cache(maxsize=1)
def latest_text(second: int) -> str:
    """At a Unix second, the last moment not too far ahead, in the form of `utc_text`."""
    return utc_text(datetime.fromtimestamp(second + _AHEAD_S, UTC))


def is_final_time(text: str, latest: str) -> bool:
    """Whether `event_time` would give the text as it is; `latest` is from `latest_text`.

    False within a second of the limit, too: ask `event_time`.
    """
    if not (
        len(text) == _FINAL_CHARS
        and text[4:20:3] == _FINAL_MARKS
        and text[23] == "Z"
        and _EARLIEST_TEXT <= text <= latest
    ):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def parse_time(text: str) -> datetime:
    """A moment, read from RFC 3339 with a zone; ValueError, for the client, if it is not that."""
    return _existing(text) if _is_in_final_form(text) else _moment(text)


# What JavaScript's toISOString() gives; fromisoformat() reads it, once its shape is sure.
def _is_in_final_form(text: str) -> bool:
    return (
        len(text) == _FINAL_CHARS
        and text[4:20:3] == _FINAL_MARKS
        and text[23] == "Z"
        and text[17:19] != _LEAP_SECOND
    )


def _existing(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return _moment(text)


def _moment(text: str) -> datetime:
    match = _RFC_3339.fullmatch(text) if len(text) <= _MAX_CHARS else None
    if match is None:
        raise ValueError("must be RFC 3339 with a zone, as 2026-11-23T17:30:00.123Z")
    date, hour_minute, second, fraction, zone = match.groups()
    is_leap_second = second == _LEAP_SECOND
    if is_leap_second:
        second, fraction = "59", None
    zone = "+00:00" if zone in "Zz" else zone
    try:
        moment = datetime.fromisoformat(f"{date}T{hour_minute}{second}{fraction or ''}{zone}")
        return _after_leap_second(moment) if is_leap_second else moment
    except (ValueError, OverflowError):
        raise ValueError("must be a date and a time that exist") from None


def _after_leap_second(moment: datetime) -> datetime:
    following = (moment + _SECOND).astimezone(UTC)
    if following.time() != _MIDNIGHT:
        raise ValueError
    return following
