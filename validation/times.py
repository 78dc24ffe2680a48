"""Points in time as text: read from RFC 3339 and ISO 8601, written in UTC to the millisecond."""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from datetime import time as time_of_day
from functools import lru_cache

# RFC 3339, and whatever else of ISO 8601 identifies a moment: also without punctuation, with a
# comma, without seconds or minutes, with a day of the week or of the year. Behind the offset, names
# of the zone may follow, which add nothing: `[Europe/Paris]` (Java, RFC 9557), `CET` and the
# monotonic clock (Go). Ruby, Rust and Go write ` UTC` for the offset.
_ISO_8601 = re.compile(
    r"""
    (?P<date> \d{4}-\d\d-\d\d | \d{8} | \d{4}-W\d\d-\d | \d{4}W\d{3} | \d{4}-?\d{3} )
    [Tt ]
    (?P<hour> \d\d ) (?: :? (?P<minute> \d\d ) (?: :? (?P<second> \d\d ) )? )?
    (?: [.,] (?P<fraction> \d+ ) )?
    [ ]?
    (?: (?P<utc> [Zz] | UTC | GMT )
      | (?P<sign> [+\-\N{MINUS SIGN}] ) (?P<offset_hour> \d\d )
        (?: :? (?P<offset_minute> \d\d ) (?: :? (?P<offset_second> \d\d ) )? )?
    )
    (?: [ ] (?: [A-Z]{3,5} | [+-]\d\d (?:\d\d)? ) )?
    (?: [ ] m=[+-][0-9.]+ )?
    (?: \[ [!A-Za-z0-9_+\-/=.~]+ \] )*
    """,
    re.ASCII | re.VERBOSE,
)
_FRACTION_DIGITS = 9
_FRACTIONS = 1_000_000_000
_MAX_CHARS = 100
_FINAL_CHARS = 24
# The separators: every third character from the first hyphen to the point.
_FINAL_MARKS = "--T::."
# The final form with all digits alike.
_FINAL_DIGITS = b"0000-00-00T00:00:00.000Z"
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LEAP_SECOND = "60"
_END_OF_DAY = "24"
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_EARLIEST_TEXT = "2000-01-01T00:00:00.000Z"
_AHEAD_S = 24 * 60 * 60
_MICROSECOND = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_DAY_HOURS = 24
_LAST = 59
_ORDINAL_CHARS = 7
_MILLISECOND = timedelta(milliseconds=1)
_MIDNIGHT = time_of_day(0)


def utc_text(moment: datetime) -> str:
    """Return a moment in UTC as `2026-11-23T17:30:00.123Z`; finer digits are cut off."""
    return f"{moment.isoformat(timespec='milliseconds')[:-6]}Z"


def a_millisecond_later(text: str) -> str:
    """Return the next time in the form of `utc_text`."""
    return utc_text(datetime.fromisoformat(text) + _MILLISECOND)


class UtcClock:
    """A clock that returns text, at a third of the cost of formatting each time from scratch.

    `now` returns Unix seconds.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._second = -1
        self._text = ""

    def __call__(self) -> str:
        """Return the present time in the form of `utc_text`."""
        now = self._now()
        second = int(now)
        if second != self._second:
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return f"{self._text}.{int((now - second) * 1000):03d}Z"


def event_time(text: str, now: float) -> str:
    """Return an event's time in the form of `utc_text`, read as by `parse_time`.

    `now` is in Unix seconds. Raises ValueError, with a message for the client, if the text is
    anything else or the time is out of range.
    """
    is_final = is_in_final_form(text)
    moment = _existing(text) if is_final else _moment(text)
    # Texts are compared in a fraction of the time.
    if is_final and _EARLIEST_TEXT <= text <= latest_text(int(now)):
        return text
    if moment < _EARLIEST:
        raise ValueError("must not be before 2000-01-01")
    if moment.timestamp() > now + _AHEAD_S:
        raise ValueError("must not be more than 24 hours in the future")
    return text if is_final else utc_text(moment.astimezone(UTC))


@lru_cache(maxsize=1)
def latest_text(second: int) -> str:
    """Return the latest time that is valid at a Unix second, in the form of `utc_text`."""
    return utc_text(datetime.fromtimestamp(second + _AHEAD_S, UTC))


def is_about(text: str, second: int) -> bool:
    """Return True if a text has the form of `utc_text`, and its time, if any, is within a second.

    `second` is in Unix seconds.
    """
    earliest, latest = _neighbours(second)
    return earliest <= text <= latest and is_in_final_form(text)


@lru_cache(maxsize=1)
def _neighbours(second: int) -> tuple[str, str]:
    moment = datetime.fromtimestamp(second, UTC)
    return utc_text(moment - _SECOND), utc_text(moment + _SECOND)


def are_final_times(texts: Sequence[str], latest: str) -> bool:
    """Return True if `event_time` would return every text unchanged; `latest` is `latest_text`'s.

    False means: ask `event_time`. It may also be returned within a second of the limit.
    """
    digits = "".join(texts).encode().translate(_DIGITS)
    if digits != _FINAL_DIGITS * len(texts) or set(map(len, texts)) != {_FINAL_CHARS}:
        return False
    if min(texts) < _EARLIEST_TEXT or max(texts) > latest:
        return False
    try:
        for _ in map(datetime.fromisoformat, texts):
            pass
    except ValueError:
        return False
    return True


# Without a zone, whose text would have to be cut off, it costs half as much.
def later_texts(texts: Iterable[str], added_ms: int) -> list[str]:
    """Return texts in the form of `utc_text`, so much later; OverflowError if one cannot be."""
    added = added_ms * _MILLISECOND
    local = [datetime.fromisoformat(text[:-1]) + added for text in texts]
    return [each.isoformat("T", "milliseconds") + "Z" for each in local]


def parse_time(text: str) -> datetime:
    """Read a moment from RFC 3339 or ISO 8601 with a zone.

    Raises ValueError, with a message for the client.
    """
    return _existing(text) if is_in_final_form(text) else _moment(text)


# fromisoformat() reads it once its shape is certain.
def is_in_final_form(text: str) -> bool:
    """Return True if a text has the form of `utc_text`, that of JavaScript's toISOString().

    The date and time need not exist.
    """
    return (
        len(text) == _FINAL_CHARS
        and text[4:20:3] == _FINAL_MARKS
        and text[23] == "Z"
        and text[17:19] != _LEAP_SECOND
        and text[11:13] != _END_OF_DAY
    )


def _existing(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return _moment(text)


def _moment(text: str) -> datetime:
    match = _ISO_8601.fullmatch(text) if len(text) <= _MAX_CHARS else None
    if match is None:
        raise ValueError("must be an RFC 3339 time with a zone, such as 2026-11-23T17:30:00.123Z")
    try:
        local = _date(match["date"]) + _time_of_day(match)
        moment = local.replace(tzinfo=timezone(_offset(match)))
        return _after_leap_second(moment) if match["second"] == _LEAP_SECOND else moment
    except (ValueError, OverflowError):
        raise ValueError("must be a date and time that exist") from None


def _date(text: str) -> datetime:
    digits = text.replace("-", "")
    if len(digits) != _ORDINAL_CHARS or "W" in digits:
        return datetime.fromisoformat(text)
    first = datetime(int(digits[:4]), 1, 1)
    date = first + timedelta(days=int(digits[4:]) - 1)
    if date.year != first.year:
        raise ValueError
    return date


# The end of a day may be written as 24:00, and a leap second is counted after the 59th.
def _time_of_day(match: re.Match[str]) -> timedelta:
    hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
    is_leap_second = match["second"] == _LEAP_SECOND
    parts = timedelta(hours=hour, minutes=minute, seconds=second - is_leap_second)
    if not is_leap_second:
        parts += _fraction(match)
    is_of_a_day = hour < _DAY_HOURS or parts == _DAY
    if not is_of_a_day or minute > _LAST or second - is_leap_second > _LAST:
        raise ValueError
    return parts


# The fraction is one of the smallest unit that is given.
def _fraction(match: re.Match[str]) -> timedelta:
    digits = (match["fraction"] or "0")[:_FRACTION_DIGITS].ljust(_FRACTION_DIGITS, "0")
    unit = _SECOND if match["second"] else _MINUTE if match["minute"] else _HOUR
    return unit // _MICROSECOND * int(digits) // _FRACTIONS * _MICROSECOND


def _offset(match: re.Match[str]) -> timedelta:
    if match["utc"]:
        return timedelta(0)
    hour, minute, second = (
        int(match[name] or 0) for name in ("offset_hour", "offset_minute", "offset_second")
    )
    if hour >= _DAY_HOURS or minute > _LAST or second > _LAST:
        raise ValueError
    offset = timedelta(hours=hour, minutes=minute, seconds=second)
    return offset if match["sign"] == "+" else -offset


def _after_leap_second(moment: datetime) -> datetime:
    following = (moment + _SECOND).astimezone(UTC)
    if following.time() != _MIDNIGHT:
        raise ValueError
    return following
