"""The table of fields against everything else that lists them.

A field that the server sets is safe only if each of these lists has it: if one of them is forgotten
when a field is added, a test here fails.
"""

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from voluptuous import Required

from storage.dedup.identity import conflict_line
from tests.test_documents import table
from tests.validation.readers import NOW, make_reader, without_fast_path
from validation.fast_path import FastPath, Sent
from validation.fields import (
    CLIENT_FIELDS,
    FIELDS,
    PLACED_FIELDS,
    SERVER_FIELDS,
    SetBy,
    stored_form,
)
from validation.outcomes import Accepted, RequestInfo
from validation.reader import EventReader
from validation.schema import EventSchema
from validation.turns import at_once

ROOT = Path(__file__).parents[2]
# Every fact about a request has a value here, those included that will be added one day.
KNOWN_BY_THE_SERVER = RequestInfo(*RequestInfo._fields)
UNKNOWN_TO_THE_SERVER = RequestInfo("2026-11-23T17:30:00.000Z", None, None)
FORGED = "forged by the client"
PLAIN: dict[str, object] = {"event_type": "click"}
EVERY_CLIENT_FIELD: dict[str, object] = {
    "event_id": "e1",
    "event_type": "click",
    "timestamp": "2026-11-23T16:00:00.000Z",
    "user_id": "u",
    "session_id": "s",
    "properties": {"a": 1},
    "sent_at": "2026-11-23T17:30:00.000Z",
}
# A clock that is an hour late is corrected, so that the server sets all that it ever sets.
OF_A_WRONG_CLOCK = EVERY_CLIENT_FIELD | {"sent_at": "2026-11-23T16:30:00.000Z"}
EVENTS = {"plain": PLAIN, "full": EVERY_CLIENT_FIELD, "clock": OF_A_WRONG_CLOCK}
INFOS = {"known": KNOWN_BY_THE_SERVER, "unknown": UNKNOWN_TO_THE_SERVER}


READERS = {"reader": make_reader(), "schema": without_fast_path(make_reader())}


def compact(event: object) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


def in_query(event: dict[str, object]) -> str:
    fields = {name: value for name, value in event.items() if isinstance(value, str)}
    return urlencode(fields)


def in_data(event: dict[str, object]) -> str:
    return f"data={base64.urlsafe_b64encode(compact(event)).decode()}"


Way = Callable[[EventReader, dict[str, object], RequestInfo], Any]
WAYS: dict[str, Way] = {
    "single": lambda reader, event, info: reader.single(compact(event), info),
    "batch": lambda reader, event, info: reader.batch(compact([event]), info)[0],
    "NDJSON": lambda reader, event, info: reader.ndjson(compact(event) + b"\n", info)[0],
    "query": lambda reader, event, info: reader.query(in_query(event), info),
    "data in a query": lambda reader, event, info: reader.query(in_data(event), info),
}


def stored(outcome: object) -> dict[str, Any]:
    assert isinstance(outcome, Accepted), outcome
    event: dict[str, Any] = json.loads(outcome.line)
    return event


# Those that validation stores.
STORED = [each for each in FIELDS if each.set_by is not SetBy.STORAGE]


def test_no_field_is_in_the_table_twice() -> None:
    names = [each.name for each in FIELDS]
    assert len(set(names)) == len(names)


def test_an_event_with_every_field_is_stored_in_the_order_of_the_table() -> None:
    event = stored(make_reader().single(compact(OF_A_WRONG_CLOCK), KNOWN_BY_THE_SERVER))
    assert [each.name for each in STORED] == list(event)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_an_event_with_nothing_optional_has_only_what_every_event_has(
    reader: EventReader,
) -> None:
    event = stored(reader.single(compact(PLAIN), UNKNOWN_TO_THE_SERVER))
    assert [each.name for each in FIELDS if not each.is_optional] == list(event)


def test_the_builder_stores_nothing_that_the_table_does_not_have() -> None:
    correction = {"original_timestamp": "o", "clock_correction_ms": 1}
    event = stored_form("i", "e", "t", "u", "s", {}, "a", correction, KNOWN_BY_THE_SERVER)
    assert [each.name for each in STORED] == list(event)


def test_deduplication_sets_the_fields_that_it_is_said_to_set() -> None:
    event = json.loads(conflict_line(b'{"event_id":"e1","event_type":"c"}', "e1~0"))
    assert [each.name for each in FIELDS if each.set_by is SetBy.STORAGE] == list(event)[2:]


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_the_time_of_receipt_equals_no_timestamp_that_was_sent(reader: EventReader) -> None:
    at = UNKNOWN_TO_THE_SERVER.received_at
    sent = stored(reader.single(compact(PLAIN | {"timestamp": at}), UNKNOWN_TO_THE_SERVER))
    assert (at, "2026-11-23T17:30:00.001Z") == (sent["timestamp"], sent["received_at"])
    unsent = stored(reader.single(compact(PLAIN), UNKNOWN_TO_THE_SERVER))
    assert (at, at) == (unsent["timestamp"], unsent["received_at"])


def test_the_schema_has_a_rule_for_each_field_of_the_client() -> None:
    rules = EventSchema(lambda: NOW).rules.schema
    assert sorted(PLACED_FIELDS) == sorted(map(str, rules))
    required = [str(name) for name in rules if isinstance(name, Required)]
    of_the_client = [each for each in FIELDS if each.set_by is SetBy.CLIENT]
    assert [each.name for each in of_the_client if not each.is_optional] == required


def test_the_fast_path_reads_the_fields_of_the_client_and_no_others() -> None:
    fields = msgspec.structs.fields(Sent)
    assert sorted(CLIENT_FIELDS) == sorted(each.name for each in fields)
    of_the_client = [each for each in FIELDS if each.set_by is SetBy.CLIENT]
    assert [each.name for each in of_the_client if not each.is_optional] == [
        each.name for each in fields if each.required
    ]


def test_the_fields_of_the_server_are_those_stored_although_no_client_sent_them() -> None:
    event = stored(make_reader().single(compact(OF_A_WRONG_CLOCK), KNOWN_BY_THE_SERVER))
    later = {each.name for each in FIELDS if each.set_by is SetBy.STORAGE}
    assert sorted(SERVER_FIELDS - later) == sorted(event.keys() - OF_A_WRONG_CLOCK.keys())


@pytest.mark.parametrize("info", INFOS.values(), ids=INFOS)
@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("name", sorted(SERVER_FIELDS))
def test_a_client_never_sets_a_field_of_the_server(
    name: str,
    reader: EventReader,
    way: Way,
    event: dict[str, object],
    info: RequestInfo,
) -> None:
    expected = stored(way(reader, event, info))
    assert expected == stored(way(reader, {name: FORGED, **event}, info))
    assert expected == stored(way(reader, {**event, name: FORGED}, info))


@pytest.mark.parametrize("name", sorted(SERVER_FIELDS))
def test_an_event_with_a_field_of_the_server_is_not_for_the_fast_path(name: str) -> None:
    text = compact(EVERY_CLIENT_FIELD | {name: FORGED})
    fast_path = FastPath(1000, 10, lambda: "made", lambda: NOW)
    assert fast_path.one(compact(EVERY_CLIENT_FIELD), KNOWN_BY_THE_SERVER) is not None
    assert fast_path.one(text, KNOWN_BY_THE_SERVER) is None
    assert at_once(fast_path.several(b"[%b]" % text, KNOWN_BY_THE_SERVER)) is None


def documented(page: str, *head: str) -> list[tuple[str, str]]:
    """Return the fields of a page's table in their order, each with what a client may send."""
    rows = table((ROOT / page).read_text(encoding="utf-8"), *head)
    return [(name, row[1]) for row in rows for name in re.findall(r"`(\w+)`", row[0])]


PAGES = {"README.md": ("field", "you send"), "validation/EVENTS.md": ("field", "rule")}


@pytest.mark.parametrize("page", PAGES)
def test_each_page_names_the_setter_of_each_field(page: str) -> None:
    rules = documented(page, *PAGES[page])
    assert sorted(each.name for each in FIELDS) == sorted(name for name, _ in rules)
    assert sorted(SERVER_FIELDS) == sorted(name for name, rule in rules if rule == "ignored")
    required = [name for name, rule in rules if rule.startswith("required")]
    assert ["event_type"] == required


def test_the_page_of_events_has_the_fields_in_the_order_in_which_they_are_stored() -> None:
    rules = documented("validation/EVENTS.md", "field", "rule")
    assert [each.name for each in FIELDS] == [name for name, _ in rules]
