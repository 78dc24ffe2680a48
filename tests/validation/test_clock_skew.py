from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation.clock_skew import TOLERATED_SKEW_S, correction
from validation.schema import BrokenRules, EventSchema

NOW = 1_795_455_000.0  # 2026-11-23T17:30:00Z


def checked(**fields: object) -> dict[str, object]:
    return EventSchema(lambda: NOW).check({"event_type": "c", **fields})


@pytest.mark.parametrize(
    ("sent_at", "corrected", "added_ms"),
    [
        ("2026-11-23T16:30:00.000Z", "2026-11-23T17:29:50.000Z", 3_600_000),
        ("2026-11-23T18:30:00.000Z", "2026-11-23T15:29:50.000Z", -3_600_000),
        ("2026-11-23T19:30:00+01:00", "2026-11-23T15:29:50.000Z", -3_600_000),
        ("2026-11-23T17:29:57.9995Z", "2026-11-23T16:29:52.000Z", 2_000),
    ],
)
def test_the_time_of_a_wrong_clock_is_corrected(
    sent_at: str, corrected: str, added_ms: int
) -> None:
    event = checked(timestamp="2026-11-23T16:29:50Z", sent_at=sent_at)
    assert corrected == event["timestamp"]
    assert "2026-11-23T16:29:50.000Z" == event["original_timestamp"]
    assert added_ms == event["clock_correction_ms"]
    assert sent_at == event["sent_at"]


@pytest.mark.parametrize("late_s", [-TOLERATED_SKEW_S, -1, 0, 1, TOLERATED_SKEW_S])
def test_a_difference_up_to_the_tolerance_changes_nothing(late_s: float) -> None:
    sent_at = datetime.fromtimestamp(NOW - late_s, UTC).isoformat()
    event = checked(timestamp="2026-11-23T17:00:00Z", sent_at=sent_at)
    assert "2026-11-23T17:00:00.000Z" == event["timestamp"]
    assert "original_timestamp" not in event
    assert "clock_correction_ms" not in event


@pytest.mark.parametrize("late_s", [-2.001, 2.001])
def test_a_difference_above_the_tolerance_is_corrected(late_s: float) -> None:
    sent_at = datetime.fromtimestamp(NOW - late_s, UTC).isoformat()
    event = checked(timestamp="2026-11-23T17:00:00Z", sent_at=sent_at)
    assert abs(late_s * 1000 - float(str(event["clock_correction_ms"]))) <= 1


def test_a_time_is_corrected_before_its_limits_are_checked() -> None:
    event = checked(timestamp="1970-01-01T00:00:30Z", sent_at="1970-01-01T00:01:00Z")
    assert "2026-11-23T17:29:30.000Z" == event["timestamp"]
    event = checked(timestamp="2030-01-01T00:00:00Z", sent_at="2030-01-01T00:00:01Z")
    assert "2026-11-23T17:29:59.000Z" == event["timestamp"]


def test_the_limits_apply_to_the_corrected_time() -> None:
    with pytest.raises(BrokenRules, match="2000-01-01"):
        checked(timestamp="1999-12-29T17:30:00Z", sent_at="2026-11-21T17:30:00Z")


@pytest.mark.parametrize(
    ("timestamp", "sent_at", "added_ms"),
    [
        ("2026-11-23T19:30:00Z", "2026-11-23T17:30:00Z", -7_200_000),
        ("2033-05-18T03:33:20Z", "2026-11-23T17:30:00Z", -204_545_000_000),
        ("2026-11-23T17:30:00Z", "2026-11-21T17:30:00Z", 0),
        ("2026-11-23T17:30:02.001Z", "2026-11-23T17:29:59Z", -2_001),
    ],
)
def test_an_event_later_than_its_request_has_the_time_of_receipt(
    timestamp: str, sent_at: str, added_ms: int
) -> None:
    event = checked(timestamp=timestamp, sent_at=sent_at)
    assert "2026-11-23T17:30:00.000Z" == event["timestamp"]
    if added_ms:
        assert added_ms == event["clock_correction_ms"]
        original = datetime.fromisoformat(str(event["original_timestamp"]))
        assert datetime.fromisoformat(timestamp) == original


@pytest.mark.parametrize("timestamp", ["2026-11-23T17:30:02Z", "2026-11-23T17:30:00.001Z"])
def test_an_event_that_is_later_by_no_more_than_the_tolerance_is_not_corrected(
    timestamp: str,
) -> None:
    assert "original_timestamp" not in checked(timestamp=timestamp, sent_at="2026-11-23T17:30:00Z")


@pytest.mark.parametrize(
    "sent_at", ["yesterday", 1_795_455_000, True, [], {}, "2026-11-23T17:30:00"]
)
def test_an_unreadable_time_of_sending_is_kept_and_corrects_nothing(
    sent_at: object,
) -> None:
    event = checked(timestamp="2026-11-23T12:00:00Z", sent_at=sent_at)
    assert ("2026-11-23T12:00:00.000Z", sent_at) == (event["timestamp"], event["sent_at"])
    assert "original_timestamp" not in event


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_empty_time_of_sending_counts_as_absent(nothing: object) -> None:
    assert "sent_at" not in checked(sent_at=nothing)


def test_without_a_timestamp_there_is_nothing_to_correct() -> None:
    event = checked(sent_at="2020-01-01T00:00:00Z")
    assert {"event_type": "c", "sent_at": "2020-01-01T00:00:00Z"} == event


def test_an_invalid_timestamp_is_rejected_and_not_corrected() -> None:
    with pytest.raises(BrokenRules, match="RFC 3339"):
        checked(timestamp="noon", sent_at="2020-01-01T00:00:00Z")


def test_a_time_that_a_correction_would_move_out_of_the_calendar_is_rejected() -> None:
    with pytest.raises(BrokenRules):
        checked(timestamp="0001-01-01T00:00:00Z", sent_at="9999-12-31T23:59:59Z")


def test_a_client_cannot_set_the_fields_of_a_correction() -> None:
    given_by_client = {"original_timestamp": "x", "clock_correction_ms": 7}
    assert {"event_type": "c"} == checked(**given_by_client)
    event = checked(
        timestamp="2026-11-23T16:00:00Z", sent_at="2026-11-23T16:30:00Z", **given_by_client
    )
    assert ("2026-11-23T16:00:00.000Z", 3_600_000) == (
        event["original_timestamp"],
        event["clock_correction_ms"],
    )


MOMENTS = st.datetimes(datetime(2001, 1, 1), datetime(2098, 1, 1), timezones=st.just(UTC))


@given(created=MOMENTS, ahead_s=st.integers(-(10**8), 10**8), waited_s=st.integers(0, 86400))
def test_the_interval_between_event_and_sending_is_kept(
    created: datetime, ahead_s: int, waited_s: int
) -> None:
    sent = datetime.fromtimestamp(NOW + ahead_s, UTC)
    made = datetime.fromtimestamp(NOW + ahead_s - waited_s, UTC)
    found = correction(made.isoformat(), sent.isoformat(), NOW)
    if found is None:
        assert abs(ahead_s) <= TOLERATED_SKEW_S
    else:
        assert NOW - waited_s == datetime.fromisoformat(found.corrected).timestamp()
        assert -ahead_s * 1000 == found.added_ms
