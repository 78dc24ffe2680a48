import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation.times import (
    UtcClock,
    are_final_times,
    event_time,
    later_texts,
    latest_text,
    utc_text,
)

NOW = datetime(2026, 11, 23, 17, 30, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T17:30:00.123Z", "2026-11-23T17:30:00.123Z"),
        ("2026-11-23T17:30:00Z", "2026-11-23T17:30:00.000Z"),
        ("2026-11-23t17:30:00z", "2026-11-23T17:30:00.000Z"),
        ("2026-11-23 17:30:00+00:00", "2026-11-23T17:30:00.000Z"),
        ("2026-11-23T18:30:00+01:00", "2026-11-23T17:30:00.000Z"),
        ("2026-11-23T00:15:00+05:45", "2026-11-22T18:30:00.000Z"),
        ("2026-11-23T17:30:00-00:00", "2026-11-23T17:30:00.000Z"),
        ("2026-11-23T17:30:00.1Z", "2026-11-23T17:30:00.100Z"),
        ("2026-11-23T17:30:00.9999999999Z", "2026-11-23T17:30:00.999Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
        ("2017-01-01T00:59:60.5+01:00", "2017-01-01T00:00:00.000Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"),
        ("2000-01-01T00:00:00Z", "2000-01-01T00:00:00.000Z"),
        ("1999-12-31T23:00:00-01:00", "2000-01-01T00:00:00.000Z"),
        ("2026-11-24T17:30:00Z", "2026-11-24T17:30:00.000Z"),
    ],
)
def test_rfc_3339_with_a_zone_becomes_utc(text: str, expected: str) -> None:
    assert expected == event_time(text, NOW)


SAME = "2026-11-23T17:30:00.000Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-11-23T18:30:00+0100", SAME, id="PHP DATE_ISO8601, Swift, strftime %z"),
        pytest.param("2026-11-23T17:30Z", SAME, id="Java OffsetDateTime without seconds"),
        pytest.param("2026-11-23T18:30+01:00[Europe/Paris]", SAME, id="Java ZonedDateTime"),
        pytest.param("2026-11-23T17:30:00Z[UTC][u-ca=gregory]", SAME, id="RFC 9557"),
        pytest.param("2026-11-23 18:30:00 +0100", SAME, id="Ruby, Swift"),
        pytest.param("2026-11-23 17:30:00 UTC", SAME, id="Ruby and Rust in UTC"),
        pytest.param("2026-11-23 18:30:00 +0100 CET", SAME, id="Go"),
        pytest.param("2026-11-23 18:30:00 +0100 +0100", SAME, id="Go without a zone's name"),
        pytest.param(
            "2026-11-23 17:30:00.123456789 +0000 UTC m=+12.000000001",
            "2026-11-23T17:30:00.123Z",
            id="Go time.Now()",
        ),
        pytest.param("2026-11-23 18:30:00+01", SAME, id="PostgreSQL"),
        pytest.param("2026-11-23 17:30:00.000000+00:00", SAME, id="Python str"),
        pytest.param("2026-11-23T18:30:30+01:00:30", SAME, id="Python, seconds in the offset"),
        pytest.param("2026-11-23T18:30:00.0000000+01:00", SAME, id=".NET o"),
        pytest.param("2026-11-23 17:30:00Z", SAME, id=".NET u"),
        pytest.param("20261123T173000Z", SAME, id="basic format"),
        pytest.param("20261123T183000,000+0100", SAME, id="basic format with an offset"),
        pytest.param("2026-11-23T17:30:00,5Z", "2026-11-23T17:30:00.500Z", id="comma"),
        pytest.param("2026-11-23T17,5Z", SAME, id="fraction of an hour"),
        pytest.param("2026-11-23T17:29,25Z", "2026-11-23T17:29:15.000Z", id="of a minute"),
        pytest.param("2026-W48-1T17:30:00Z", SAME, id="week"),
        pytest.param("2026W481T1730Z", SAME, id="week in basic format"),
        pytest.param("2026-327T17:30:00Z", SAME, id="day of the year"),
        pytest.param("2026327T173000Z", SAME, id="day of the year in basic format"),
        pytest.param("2026-11-22T24:00:00Z", "2026-11-23T00:00:00.000Z", id="end of a day"),
        pytest.param("2026-11-22T24:00:00.000Z", "2026-11-23T00:00:00.000Z", id="to the ms"),
        pytest.param("2026-11-23T13:30:00\N{MINUS SIGN}04:00", SAME, id="minus sign"),
    ],
)
def test_what_common_languages_print_becomes_utc(text: str, expected: str) -> None:
    assert expected == event_time(text, NOW)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must be an RFC 3339 time with a zone"),
        ("yesterday", "must be an RFC 3339 time with a zone"),
        ("2026-11-23", "must be an RFC 3339 time with a zone"),
        ("2026-11-23T17:30:00", "must be an RFC 3339 time with a zone"),
        ("2026-11-23T17:30:00.Z", "must be an RFC 3339 time with a zone"),
        (" 2026-11-23T17:30:00Z", "must be an RFC 3339 time with a zone"),
        ("2026-11-23T17:30:00Z\n", "must be an RFC 3339 time with a zone"),
        ("٢٠٢٦-11-23T17:30:00Z", "must be an RFC 3339 time with a zone"),
        ("2026-11-23T17:30:00." + "1" * 100 + "Z", "must be an RFC 3339 time with a zone"),
        ("2026-11-23T17:30:00 CET", "must be an RFC 3339 time with a zone"),
        ("2026-11-23T17:30:00[Europe/Paris]", "must be an RFC 3339 time with a zone"),
        ("2026-11-23T17:30:00+01:00[Europe/Paris", "must be an RFC 3339 time with a zone"),
        ("2026-11-23T17:30:00+1", "must be an RFC 3339 time with a zone"),
        ("2026-11-23T1730:0Z", "must be an RFC 3339 time with a zone"),
        ("26-11-23T17:30:00Z", "must be an RFC 3339 time with a zone"),
        ("202611T17:30:00Z", "must be an RFC 3339 time with a zone"),
        ("2026-11-23Z", "must be an RFC 3339 time with a zone"),
        ("11/23/2026 17:30:00 +00:00", "must be an RFC 3339 time with a zone"),
        ("Mon, 23 Nov 2026 17:30:00 GMT", "must be an RFC 3339 time with a zone"),
        ("1795455000", "must be an RFC 3339 time with a zone"),
        ("2026-13-23T17:30:00Z", "must be a date and time that exist"),
        ("2026-02-29T17:30:00Z", "must be a date and time that exist"),
        ("2026-11-23T24:00:01Z", "must be a date and time that exist"),
        ("2026-11-23T24:00:00.5Z", "must be a date and time that exist"),
        ("2026-11-23T24.5Z", "must be a date and time that exist"),
        ("2026-11-23T25:00Z", "must be a date and time that exist"),
        ("2026-W54-1T17:30:00Z", "must be a date and time that exist"),
        ("2026-W48-8T17:30:00Z", "must be a date and time that exist"),
        ("2026-366T17:30:00Z", "must be a date and time that exist"),
        ("2026-000T17:30:00Z", "must be a date and time that exist"),
        ("2026-11-23T17:30:00+01:60", "must be a date and time that exist"),
        ("2026-11-23T17:60:00Z", "must be a date and time that exist"),
        ("2026-11-23T17:30:60Z", "must be a date and time that exist"),
        ("2026-11-23T23:59:60+01:00", "must be a date and time that exist"),
        ("2026-11-23T17:30:61Z", "must be a date and time that exist"),
        ("2026-11-23T17:30:00+24:00", "must be a date and time that exist"),
        ("0000-01-01T00:00:00Z", "must be a date and time that exist"),
        ("9999-12-31T23:59:60Z", "must be a date and time that exist"),
        ("1999-12-31T23:59:59.999Z", "must not be before 2000-01-01"),
        ("0001-01-01T00:00:00+23:59", "must not be before 2000-01-01"),
        ("2000-01-01T00:30:00+01:00", "must not be before 2000-01-01"),
        ("2026-11-24T17:30:00.001Z", "must not be more than 24 hours in the future"),
        ("9999-12-31T23:59:59-23:59", "must not be more than 24 hours in the future"),
    ],
)
def test_an_invalid_time_of_an_event_is_rejected(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}"):
        event_time(text, NOW)


zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(2000, 1, 2), datetime(2026, 11, 22), timezones=zones))
def test_a_time_is_the_same_moment_in_every_zone(moment: datetime) -> None:
    stored = event_time(moment.isoformat(), NOW)
    assert utc_text(moment.astimezone(UTC)) == stored
    assert timedelta(0) <= moment - datetime.fromisoformat(stored) < timedelta(milliseconds=1)


def test_the_clock_returns_the_present_time() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    assert before <= datetime.fromisoformat(UtcClock()()) <= datetime.now(UTC)


@given(st.lists(st.floats(946684800, 4102444800), min_size=1))
def test_the_clock_returns_every_time_in_the_stored_form(times: list[float]) -> None:
    clock = UtcClock(iter(times).__next__)
    for now in times:
        text = clock()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
        assert 0 <= now - datetime.fromisoformat(text).timestamp() < 0.0011


@pytest.mark.parametrize("at", range(24))
def test_a_text_is_kept_only_if_every_character_has_the_stored_form(at: int) -> None:
    good = "2026-10-11T12:13:14.156Z"
    for number in range(33, 127):
        text = good[:at] + chr(number) + good[at + 1 :]
        try:
            stored = event_time(text, NOW)
        except ValueError:
            continue
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stored)
        assert stored == text or at in {10, 17, 19, 23}


FINAL_TIMES = ["2026-11-23T17:30:00.123Z", "2000-01-01T00:00:00.000Z", "2024-02-29T23:59:59.999Z"]


def are_final(*texts: str) -> bool:
    return are_final_times(texts, latest_text(int(NOW)))


def test_final_times_are_recognized_together() -> None:
    assert are_final(*FINAL_TIMES)
    assert are_final("2026-11-24T17:30:00.000Z")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-23T17:30:00Z",
        "2026-11-23t17:30:00.123Z",
        "2026-11-23T17:30:00.123z",
        "2026-11-23T17:30:00.123+00:00",
        "2026-02-29T17:30:00.123Z",
        "2026-11-23T24:00:00.000Z",
        "2026-11-23T17:30:60.000Z",
        "1999-12-31T23:59:59.999Z",
        "2026-11-24T17:30:00.001Z",
        "٢٠٢٦-11-23T17:30:00.123Z",
    ],
)
@pytest.mark.parametrize("at", range(3))
def test_one_time_that_is_not_final_is_noticed_among_others(text: str, at: int) -> None:
    assert not are_final(text)
    assert not are_final(*FINAL_TIMES[:at], text, *FINAL_TIMES[at:])


def test_times_that_are_final_only_when_joined_are_not_final() -> None:
    for at in range(1, 48):
        joined = "".join(FINAL_TIMES[:2])
        assert (at == 24) == are_final(joined[:at], joined[at:])


@given(
    st.lists(st.datetimes(datetime(2000, 1, 1), datetime(2098, 1, 1)), min_size=1),
    st.integers(-(10**10), 10**10),
)
def test_times_are_moved_together(moments: list[datetime], added_ms: int) -> None:
    texts = [utc_text(each.replace(tzinfo=UTC)) for each in moments]
    for text, later in zip(texts, later_texts(texts, added_ms), strict=True):
        moved = datetime.fromisoformat(later) - datetime.fromisoformat(text)
        assert timedelta(milliseconds=added_ms) == moved
