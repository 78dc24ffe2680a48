"""The identity of events: the same for every attempt to send one, another for any other event."""

import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.dedup import identity
from storage.dedup.identity import (
    Identities,
    conflict_id,
    conflict_key,
    conflict_line,
    fingerprints,
    id_keys,
    kept_identity,
    pack,
    unpack,
)

TIME = "2026-11-23T17:30:00.000Z"
LATER = "2026-11-23T17:30:07.123Z"
SENT: dict[str, Any] = {
    "event_id": "e1",
    "event_type": "order",
    "timestamp": "2026-11-23T17:29:00.000Z",
    "received_at": TIME,
    "user_id": "u",
    "session_id": "s",
    "properties": {"total": 59},
    "plan": "pro",
    "user_agent": "a",
    "ip_address": "192.0.2.1",
}


def line(event: dict[str, Any]) -> bytes:
    """An event in its stored form: the fields of the server are where they always are."""
    event = dict(event)
    last = ("original_timestamp", "clock_correction_ms", "user_agent", "ip_address")
    end = {name: event.pop(name) for name in last if name in event}
    return orjson.dumps(event | end)


def fingerprint(event: dict[str, Any]) -> int:
    (found,) = fingerprints([line(event)])
    return found


def test_keys_and_fingerprints_are_the_same_in_every_version() -> None:
    assert [1089079118469126160, 292540415853092123, 831082554555178952] == id_keys(
        ["e", "e1", "0b7c0d4e-6f1f-4f0e-9a52-3f1f7a3c9d10"]
    )
    assert 1750489725392877458 == fingerprint(SENT)


@pytest.mark.parametrize(
    "of_the_next_attempt",
    [
        {"received_at": LATER},
        {"user_agent": "another", "ip_address": "192.0.2.2"},
        {"sent_at": LATER},
        {
            "sent_at": LATER,
            "timestamp": "2026-11-23T18:29:00.000Z",
            "original_timestamp": SENT["timestamp"],
            "clock_correction_ms": 3_600_000,
        },
    ],
    ids=["time of receipt", "request", "sent_at", "corrected"],
)
def test_fields_that_differ_between_attempts_do_not_count(
    of_the_next_attempt: dict[str, Any],
) -> None:
    assert fingerprint(SENT) == fingerprint(SENT | of_the_next_attempt)


def test_a_time_of_receipt_in_place_of_a_timestamp_does_not_count() -> None:
    first = SENT | {"timestamp": TIME}
    again = SENT | {"timestamp": LATER, "received_at": LATER}
    assert fingerprint(first) == fingerprint(again) != fingerprint(SENT)


@pytest.mark.parametrize(
    "change",
    [
        {"event_id": "e2"},
        {"event_type": "refund"},
        {"timestamp": "2026-11-23T17:29:00.001Z"},
        {"timestamp": TIME},
        {"user_id": "v"},
        {"session_id": "t"},
        {"properties": {"total": 60}},
        {"plan": "free"},
        {"another": 1},
    ],
)
def test_everything_else_counts(change: dict[str, Any]) -> None:
    assert fingerprint(SENT) != fingerprint(SENT | change)


TEXTS = st.sampled_from(
    ["", "a", '"', "\\", "}", ',"user_agent":"x"}', ',"received_at":"', ',"sent_at":"', TIME, LATER]
)
VALUES = st.recursive(
    TEXTS | st.integers(-9, 9),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["sent_at", "user_agent", "received_at", "x"]), inner)
    ),
    max_leaves=4,
)
OWN = st.dictionaries(st.sampled_from(["sent_at", "a", "b"]), VALUES, max_size=3)
TIMES = st.sampled_from([TIME, LATER])


@st.composite
def requests(draw: st.DrawFn) -> list[bytes]:
    """The lines of events of one request."""
    info: dict[str, str] = {}
    if draw(st.booleans()):
        info["user_agent"] = draw(TEXTS)
    if draw(st.booleans()):
        info["ip_address"] = "::1"
    lines = []
    for number in range(draw(st.integers(1, 3))):
        event: dict[str, Any] = {"event_id": f"e{number}", "event_type": draw(TEXTS)}
        event |= {"timestamp": draw(TIMES), "received_at": TIME}
        if draw(st.booleans()):
            event["properties"] = draw(VALUES)
        event |= draw(OWN)
        if draw(st.booleans()):
            event |= {"original_timestamp": LATER, "clock_correction_ms": 5}
            event.setdefault("sent_at", TIME)
        lines.append(line(event | info))
    return lines


@given(requests())
def test_what_is_cut_out_of_a_line_is_what_parsing_finds(lines: list[bytes]) -> None:
    alike = identity._sent_alike(lines)
    if alike is not None:
        assert [identity._sent(each) for each in lines] == alike


def test_the_usual_lines_are_not_parsed() -> None:
    of_beacon_js = {"sent_at": LATER, "key": "shop", "n": 1.5}
    for change in ({}, {"sent_at": LATER}, of_beacon_js, {"timestamp": TIME}):
        usual = {name: value for name, value in SENT.items() if name != "plan"} | change
        assert identity._sent_alike([line(usual), line(usual)]) is not None


def test_a_line_that_is_no_event_has_an_identity_too() -> None:
    for text in (b"no event", b"[]", b"{}", b'{"event_id":7,"timestamp":null}'):
        assert 2 == len(kept_identity(text))


def test_a_conflict_is_kept_with_an_id_of_its_own_and_the_same_content() -> None:
    found = fingerprint(SENT)
    kept = conflict_line(line(SENT), conflict_id("e1", found))
    event = orjson.loads(kept)
    assert re.fullmatch(r"e1~[0-9a-f]{16}", event["event_id"])
    assert {**SENT, "event_id": event["event_id"], "original_event_id": "e1"} == event
    assert [*SENT, "original_event_id"] == list(event)


def test_the_identity_of_an_event_is_found_in_its_line_a_conflict_or_not() -> None:
    (key,), (found,) = id_keys(["e1"]), fingerprints([line(SENT)])
    assert (key, found) == kept_identity(line(SENT))
    kept = conflict_line(line(SENT), conflict_id("e1", found))
    assert (conflict_key(key, found), found) == kept_identity(kept)


@given(st.integers(0, 2**60 - 1), st.integers(0, 2**64 - 1))
def test_no_id_has_the_key_of_a_conflict(key: int, found: int) -> None:
    assert 2**60 <= conflict_key(key, found) < 2**61


def test_an_identity_takes_16_bytes() -> None:
    events = Identities([1, 2**61 - 1], [2**64 - 1, 3])
    packed = pack(events)
    assert 32 == len(packed)
    assert packed[:16] == (1).to_bytes(8, "little") + b"\xff" * 8
    assert [tuple(each) for each in events] == [tuple(each) for each in unpack(packed)]


def test_ids_that_resemble_each_other_have_different_keys() -> None:
    ids = [f"order-{number}" for number in range(20_000)]
    ids += [f"{a}-{b}-{c}" for a in range(20) for b in range(20) for c in range(20)]
    assert len(set(ids)) == len(set(id_keys(ids)))
