import pytest

from tests.validation.readers import NOW
from validation.columns import ColumnRules, Columns, NeedsSchemaError
from validation.schema import EventSchema

AT = "2026-11-23T16:00:00.000Z"
LATE = "2026-11-23T17:28:30.000Z"


def final(sent: Columns) -> Columns:
    return ColumnRules(EventSchema(lambda: NOW), lambda: NOW).final(sent)


@pytest.mark.parametrize(
    ("name", "sent", "stored"),
    [
        ("event_type", ["a", " b "], ["a", " b "]),
        ("event_id", ["a", "-_.", "a" * 128], ["a", "-_.", "a" * 128]),
        ("event_id", [None, "", "a"], [None, None, "a"]),
        ("event_id", ["a", "", "b"], ["a", None, "b"]),
        ("event_id", ["a", ""], ["a", None]),
        ("user_id", ["a", None, "é" * 256], ["a", None, "é" * 256]),
        ("user_id", [17, "", 0, -(2**63)], ["17", None, "0", str(-(2**63))]),
        ("session_id", ["", ""], [None, None]),
        ("timestamp", [AT, "2026-11-23T17:00:00+01:00", "", None], [AT, AT, None, None]),
        ("properties", [{"a": 1}, None, "", []], [{"a": 1}, None, None, None]),
        ("sent_at", ["noon", "", None, 17], ["noon", None, None, 17]),
    ],
)
def test_each_value_of_a_column_becomes_what_the_schema_makes_of_it(
    name: str, sent: list[object], stored: list[object]
) -> None:
    columns: Columns = {"event_type": ["c"] * len(sent), name: sent}
    assert {**columns, name: stored} == final(columns)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("event_type", None),
        ("event_type", " "),
        ("event_type", 1),
        ("event_type", True),
        ("event_type", "a" * 129),
        ("event_id", ".a"),
        ("event_id", "a,b"),
        ("event_id", "é"),
        ("event_id", "a\n"),
        ("event_id", "a" * 129),
        ("event_id", 1),
        ("user_id", True),
        ("user_id", 1.0),
        ("user_id", "a" * 257),
        ("session_id", {}),
        ("timestamp", "noon"),
        ("timestamp", 17),
        ("timestamp", "2026-11-25T17:30:00.000Z"),
        ("properties", "a"),
        ("properties", [1]),
        ("sent_at", []),
    ],
)
@pytest.mark.parametrize("neighbours", [[], ["a"], [AT, AT], [None]])
def test_one_value_that_the_schema_refuses_or_must_look_at_is_noticed(
    name: str, value: object, neighbours: list[object]
) -> None:
    column = [*neighbours, value]
    with pytest.raises(NeedsSchemaError):
        final({"event_type": ["c"] * len(column), name: column})


def test_a_column_without_event_types_is_left_to_the_schema() -> None:
    with pytest.raises(NeedsSchemaError):
        final({"event_id": ["a"]})


@pytest.mark.parametrize("is_late", [[True, True], [True, False]])
@pytest.mark.parametrize("at", [AT, "2026-11-23T17:00:00+01:00"])
def test_the_times_of_wrong_clocks_are_corrected(is_late: list[bool], at: str) -> None:
    sent_at = [LATE if each else None for each in is_late]
    found = final({"event_type": ["c", "c"], "timestamp": [at, at], "sent_at": sent_at})
    later = "2026-11-23T16:01:30.000Z"
    assert [later if each else AT for each in is_late] == list(found["timestamp"])
    assert [AT if each else None for each in is_late] == list(found["original_timestamp"])
    assert [90_000 if each else None for each in is_late] == list(found["clock_correction_ms"])


def test_a_time_that_leaves_the_calendar_is_left_to_the_schema() -> None:
    with pytest.raises(NeedsSchemaError):
        final(
            {
                "event_type": ["c"],
                "timestamp": ["9999-12-31T23:59:59.999Z"],
                "sent_at": ["2001-01-01T00:00:00.000Z"],
            }
        )
