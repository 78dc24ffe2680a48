import pytest
from hypothesis import given
from hypothesis import strategies as st
from voluptuous import Invalid

from validation.schema import BrokenRules, EventSchema

NOW = 1_795_455_000.0

schema = EventSchema(lambda: NOW)


def problems(event: dict[str, object]) -> list[str]:
    with pytest.raises(BrokenRules) as broken:
        schema.check(event)
    return sorted(map(str, broken.value.problems))


def test_an_event_needs_only_a_type() -> None:
    assert {"event_type": "click"} == schema.check({"event_type": "click"})


@pytest.mark.parametrize(
    "event_type", ["a", "x" * 128, "Größe", "a b", " padded ", "\N{GRINNING FACE}" * 128, "\0"]
)
def test_an_event_type_is_kept_as_given(event_type: str) -> None:
    assert event_type == schema.check({"event_type": event_type})["event_type"]


@pytest.mark.parametrize("event_id", ["1", "k3j9x2lq8mz1a0", "A.b_c-9", "-", "_", "a" * 128, "a.."])
def test_an_id_need_not_be_a_uuid(event_id: str) -> None:
    checked = schema.check({"event_type": "c", "event_id": event_id})
    assert event_id == checked["event_id"]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "event_type is required"),
        ({"event_type": None}, "event_type is required"),
        ({"event_type": ""}, "event_type must not be blank"),
        ({"event_type": " \t\u3000"}, "event_type must not be blank"),
        ({"event_type": "x" * 129}, "event_type must have at most 128 characters, not 129"),
        ({"event_type": 7}, "event_type must be a string, not a number"),
        ({"event_type": True}, "event_type must be a string, not a boolean"),
        ({"event_type": []}, "event_type must be a string, not an array"),
        ({"event_type": {}}, "event_type must be a string, not an object"),
        ({"event_id": 7}, "event_id must be a string, not a number"),
        ({"event_id": "a" * 129}, "event_id must have at most 128 characters, not 129"),
        ({"event_id": ".a"}, "event_id must consist of A-Z a-z 0-9 . _ - and not start with a dot"),
        ({"event_id": "a/b"}, "event_id must consist of"),
        ({"event_id": "a\n"}, "event_id must consist of"),
        ({"event_id": "é"}, "event_id must consist of"),
        ({"event_id": " "}, "event_id must consist of"),
        ({"user_id": 1.5}, "user_id must be a string or an integer, not a number"),
        ({"user_id": False}, "user_id must be a string or an integer, not a boolean"),
        ({"user_id": "u" * 257}, "user_id must have at most 256 characters, not 257"),
        ({"session_id": {}}, "session_id must be a string or an integer, not an object"),
        ({"session_id": "u" * 257}, "session_id must have at most 256 characters, not 257"),
        ({"timestamp": 1795455000}, "timestamp must be a string in RFC 3339 format, not a number"),
        ({"timestamp": "yesterday"}, "timestamp must be an RFC 3339 time with a zone"),
        ({"timestamp": " "}, "timestamp must be an RFC 3339 time with a zone"),
        ({"properties": [1]}, "properties must be an object, not an array"),
        ({"properties": "a"}, "properties must be an object, not a string"),
        ({"properties": 0}, "properties must be an object, not a number"),
    ],
)
def test_a_broken_rule_is_reported_with_its_field(fields: dict[str, object], problem: str) -> None:
    event = {"event_type": "c", **fields} if fields else {}
    (found,) = problems(event)
    assert found.startswith(problem)


def test_every_broken_rule_is_reported() -> None:
    event: dict[str, object] = {
        "event_id": "/",
        "user_id": [],
        "session_id": [],
        "timestamp": "x",
        "properties": 1,
    }
    assert 6 == len(problems(event))


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize("name", ["event_id", "user_id", "session_id", "timestamp", "properties"])
def test_null_and_empty_text_count_as_absent(name: str, nothing: object) -> None:
    assert schema.check({"event_type": "c", name: nothing})[name] is None


def test_an_empty_array_counts_as_absent_properties() -> None:
    assert schema.check({"event_type": "c", "properties": []})["properties"] is None


@pytest.mark.parametrize("number", [0, -(2**63), 2**64 - 1])
def test_an_integer_id_becomes_its_digits(number: int) -> None:
    checked = schema.check({"event_type": "c", "user_id": number, "session_id": number})
    assert (str(number), str(number)) == (checked["user_id"], checked["session_id"])


def test_own_fields_are_kept_unmodified() -> None:
    own = {"a": None, "b": "", "c": [1], "event type": 7, "d": 0}
    checked = schema.check({"event_type": "c", **own})
    assert own == {name: checked[name] for name in own}


def test_the_event_that_was_checked_is_not_changed() -> None:
    event: dict[str, object] = {"event_type": "c", "user_id": 7, "x": {}}
    schema.check(event)
    assert {"event_type": "c", "user_id": 7, "x": {}} == event


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
ids = st.from_regex(r"\.?[A-Za-z0-9._/-]{0,130}", fullmatch=True)
times = st.datetimes().map(lambda at: f"{at.isoformat()}Z") | st.sampled_from(
    ["", "2026-11-23", "2026-11-23T17:30:00+01:00", "2026-11-23t17:30:00.5z"]
)
events = st.fixed_dictionaries(
    {},
    optional={
        "event_type": st.text(max_size=130) | anything,
        "event_id": ids | anything,
        "user_id": st.text(max_size=260) | anything,
        "session_id": st.integers() | anything,
        "timestamp": times | anything,
        "properties": st.dictionaries(st.text(), anything, max_size=3) | anything,
        "page": anything,
    },
)


@given(events)
def test_checking_quickly_has_the_same_result_as_the_rules(
    event: dict[str, object],
) -> None:
    try:
        expected = schema.rules(event)
    except Invalid:
        with pytest.raises(BrokenRules):
            schema.check(event)
    else:
        assert expected == schema.check(event)
