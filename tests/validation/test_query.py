import base64
import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation.outcomes import Accepted, Rejected, RequestInfo
from validation.query import QueryError, event_in_query
from validation.reader import EventReader

INFO = RequestInfo("2026-11-23T17:30:00.000Z", "203.0.113.9", None)
READER = EventReader(2000, 10, new_id=lambda: "made", now=lambda: 1_795_455_000.0)


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def packed(event: Any) -> str:
    return base64url(json.dumps(event).encode())


DOUBLED = base64url(b'{"a":1,"a":2}')
NOT_JSON = base64url(b"{nope")
NOT_UTF_8 = base64url(b"{\xff}")


def stored(query: str) -> dict[str, Any]:
    outcome = READER.query(query, INFO)
    assert isinstance(outcome, Accepted), outcome
    event: dict[str, Any] = json.loads(outcome.line)
    return event


def rejected(query: str) -> tuple[str, str]:
    outcome = READER.query(query, INFO)
    assert isinstance(outcome, Rejected)
    return outcome.code, outcome.message


def test_parameters_are_fields_and_properties_as_text() -> None:
    query = (
        "event_type=open&user_id=17&p.campaign=spring+sale&p.price=9.5&utm_source=mail&event_id=e1"
    )
    assert {
        "event_id": "e1",
        "event_type": "open",
        "timestamp": INFO.received_at,
        "received_at": INFO.received_at,
        "user_id": "17",
        "properties": {"campaign": "spring sale", "price": "9.5"},
        "utm_source": "mail",
        "ip_address": "203.0.113.9",
    } == stored(query)


def test_empty_parameters_count_as_absent_for_optional_fields_only() -> None:
    event = stored("event_type=open&user_id=&timestamp=&properties=&mine=")
    assert "user_id" not in event
    assert "properties" not in event
    assert "" == event["mine"]


def test_a_whole_event_keeps_its_types() -> None:
    event = stored(
        f"data={packed({'event_type': 'open', 'properties': {'price': 9.5, 'n': None}})}"
    )
    assert {"price": 9.5, "n": None} == event["properties"]


@pytest.mark.parametrize(
    "spell",
    [
        lambda raw: base64.urlsafe_b64encode(raw).decode(),
        lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("="),
        lambda raw: quote(base64.b64encode(raw).decode(), safe=""),
    ],
    ids=["padded", "bare", "base64"],
)
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_every_spelling_of_base64_is_read(spell: Any, text: str) -> None:
    raw = json.dumps({"event_type": "open", "x": text}, ensure_ascii=False).encode()
    assert text == event_in_query(f"data={spell(raw)}").value["x"]  # type: ignore[index]


def test_parameters_add_to_a_whole_event() -> None:
    event = stored(f"data={packed({'event_type': 'open', 'properties': {'a': 1}})}&user_id=u&p.b=2")
    assert ("u", {"a": 1, "b": "2"}) == (event["user_id"], event["properties"])


def test_a_property_that_is_not_utf_8_costs_a_character_not_the_event() -> None:
    event = stored("event_type=open&p.city=Orl%E9ans&p.caf%E9=1&mine=%FF&p.ok=%C3%A9")
    assert {"city": "Orl\ufffdans", "caf\ufffd": "1", "ok": "é"} == event["properties"]
    assert "\ufffd" == event["mine"]


@pytest.mark.parametrize("name", ["event_id", "event_type", "user_id", "session_id", "data"])
def test_an_id_that_is_not_utf_8_is_rejected(name: str) -> None:
    code, message = rejected(f"{name}=a%E9")
    assert ("invalid_query", f"{name} must be UTF-8, percent-encoded") == (code, message)


@pytest.mark.parametrize("absent", ["", [], None])
def test_parameters_add_to_properties_that_count_as_absent(absent: object) -> None:
    event = stored(f"data={packed({'event_type': 'open', 'properties': absent})}&p.b=2")
    assert {"b": "2"} == event["properties"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("event_type=a&event_type=b", "event_type appears twice"),
        ("event_type=a&p.x=1&p.x=2", "p.x appears twice"),
        (f"data={packed({'event_type': 'a'})}&event_type=b", "both a parameter and in data"),
        (f"data={packed({'event_type': 'a', 'properties': {'x': 1}})}&p.x=2", "both"),
        (f"data={packed({'event_type': 'a', 'properties': [1]})}&p.x=2", "not an object"),
        ("event_type=a&properties=text&p.x=2", "not an object"),
        ("data=%7B%22event_type%22%7D", "base64url"),
        ("data=a", "base64url"),
        ("data=", "base64url"),
        (f"data={packed([1])}", "must be a JSON object"),
        (f"data={NOT_JSON}", "data is not JSON at line 1"),
        (f"data={NOT_UTF_8}", "not UTF-8"),
        ("event_type=%FF", "UTF-8"),
        ("&".join(f"p{i}=1" for i in range(1001)), "1000 parameters"),
    ],
)
def test_a_query_that_is_not_an_event_is_rejected_with_the_reason(query: str, reason: str) -> None:
    code, message = rejected(query)
    assert "invalid_query" == code
    assert reason in message


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", "event_type is required"),
        ("user_id=u", "event_type is required"),
        ("event_type=%20", "event_type must not be blank"),
        ("event_type=a&timestamp=noon", "RFC 3339"),
        ("event_type=a&properties=text", "properties must be an object"),
        (f"data={DOUBLED}", "twice"),
    ],
)
def test_the_rules_of_events_apply_to_queries(query: str, reason: str) -> None:
    code, message = rejected(query)
    assert "invalid_event" == code
    assert reason in message


def test_an_event_that_is_too_large_is_rejected() -> None:
    assert "event_too_large" == rejected(f"event_type=a&x={'x' * 2000}")[0]


@given(st.text())
def test_no_query_makes_the_reader_fail(query: str) -> None:
    assert isinstance(READER.query(query, INFO), Accepted | Rejected)


@given(st.dictionaries(st.text(min_size=1), st.text()).filter(lambda d: "data" not in d))
def test_every_parameter_ends_up_in_its_field_or_property(fields: dict[str, str]) -> None:
    try:
        query = urlencode(fields)
    except UnicodeEncodeError:
        return
    try:
        event: Any = event_in_query(query).value
    except QueryError as error:
        assert "properties" in str(error)
        return
    for name, text in fields.items():
        found = event["properties"][name[2:]] if name.startswith("p.") else event[name]
        assert text == found
