"""Names that readers of the data set would take for others."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.validation.readers import make_reader
from validation.field_names import folded, name_problems
from validation.fields import FIELDS, SERVER_FIELDS
from validation.outcomes import Accepted, Rejected, RequestInfo
from validation.reader import EventReader

INFO = RequestInfo("2026-11-23T17:30:00.000Z", "192.0.2.7", "agent/1")


def compact(event: object) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


def in_data(event: object) -> str:
    return f"data={base64.urlsafe_b64encode(compact(event)).decode()}"


Way = Callable[[EventReader, dict[str, str]], Any]
WAYS: dict[str, Way] = {
    "single": lambda reader, event: reader.single(compact(event), INFO),
    "batch": lambda reader, event: reader.batch(compact([event]), INFO)[0],
    "NDJSON": lambda reader, event: reader.ndjson(compact(event) + b"\n", INFO)[0],
    "query": lambda reader, event: reader.query(urlencode(event), INFO),
    "data in a query": lambda reader, event: reader.query(in_data(event), INFO),
}


def messages(*names: str) -> list[str]:
    return [str(each) for each in name_problems(names)]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(
    "own", [{"User_Id": "x"}, {"a": "1", "A": "2"}, {"": "x"}, {"IP_ADDRESS": "x"}], ids=str
)
def test_an_event_that_would_make_the_data_set_unreadable_is_rejected(
    way: Way, own: dict[str, str]
) -> None:
    outcome = way(make_reader(), {"event_type": "c", **own})
    assert isinstance(outcome, Rejected)
    assert "invalid_event" == outcome.code
    assert 1 == len(outcome.problems)


@pytest.mark.parametrize("name", [each.name for each in FIELDS])
def test_every_known_field_is_protected_in_every_case(name: str) -> None:
    for spelling in (name.upper(), name.title(), name[0].upper() + name[1:]):
        (message,) = messages(name, spelling)
        assert message.startswith(f"{spelling} is the same name as {name} to Athena, Spark")
        advice = "rename it, or move" if name in SERVER_FIELDS else f"send it as {name}, or move"
        assert advice in message


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("user_id", "u\N{LATIN SMALL LETTER LONG S}er_id"),
        ("user_id", "user_\N{LATIN SMALL LETTER DOTLESS I}d"),
        ("user_id", "user_\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}d"),
        ("kind", "\N{KELVIN SIGN}ind"),
        ("\N{ANGSTROM SIGN}", "\N{LATIN SMALL LETTER A WITH RING ABOVE}"),
        ("grün", "GRÜN"),
        ("ΟΔΟΣ", "οδος"),
        ("aB", "Ab"),
    ],
)
def test_names_that_any_reader_takes_for_the_same_are_not_accepted_together(
    one: str, other: str
) -> None:
    assert folded(one) == folded(other)
    assert 1 == len(messages(one, other))


def test_a_letter_equals_each_of_its_cases() -> None:
    for code in range(0x110000):
        letter = chr(code)
        cases = {letter.lower(), letter.upper(), letter.title(), letter.casefold()}
        assert {folded(letter)} == {folded(each) for each in cases}


def test_the_problem_of_two_own_fields_names_both() -> None:
    assert [
        (
            "UTM is the same name as utm to Athena, Spark and DuckDB, which ignore case: "
            "rename one of them, or move it into properties"
        )
    ] == messages("utm", "UTM")


def test_an_empty_name_is_a_problem_of_the_event() -> None:
    assert [
        "the event has a field with an empty name: give it a name, or move it into properties"
    ] == messages("")


def test_other_names_are_the_clients_own() -> None:
    assert [] == messages("event_type", "own", "Own2", "userid", "user-id", " ", "event.type", "é")


@pytest.mark.parametrize("inner", [{"": 1}, {"a": 1, "A": 2}, {"Event_Id": 1, "user_id": 2}])
def test_keys_in_properties_are_the_clients_own(inner: dict[str, int]) -> None:
    body = compact({"event_type": "c", "own": inner, "properties": inner})
    outcome = make_reader().single(body, INFO)
    assert isinstance(outcome, Accepted)
    assert inner == json.loads(outcome.line)["properties"]


def test_problems_of_names_are_listed_with_all_others() -> None:
    body = b'{"User_Id":1e999,"UTM":1,"utm":{"b":1,"b":2},"timestamp":1,"":0}'
    outcome = make_reader().single(body, INFO)
    assert isinstance(outcome, Rejected)
    paths = ["", "User_Id", "User_Id", "event_type", "timestamp", "utm", "utm"]
    assert paths == sorted(each.path for each in outcome.problems)
