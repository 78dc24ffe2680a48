"""Promises of each corpus: its events are those of the sender that it is named for."""

import json
import re
import subprocess
from typing import Any

import orjson
import pytest

from benchmarks.corpora.bodies import Bodies
from benchmarks.corpora.corpus import CORPORA
from tests.support.parts import require
from tests.support.server_process import ROOT
from tests.validation.readers import NOW

SEED = 7
PAGE = ROOT / "tests" / "benchmarks" / "corpora" / "beacon_in_node.js"


def text(name: str, size: int | None = 100) -> bytes:
    return Bodies(name, SEED, size).text(NOW)


def events(name: str) -> list[dict[str, Any]]:
    """Return a hundred events."""
    sent = text(name)
    if name == "ndjson-gzip":
        return [orjson.loads(line) for line in sent.splitlines()]
    found: list[dict[str, Any]] = orjson.loads(sent)
    return found


def fields(event: dict[str, Any]) -> list[str]:
    """Return the names of an event and of its properties, in their order."""
    return [*event, *event["properties"]]


def forms(event: dict[str, Any]) -> dict[str, str]:
    """Return the values of the fields with rules, each digit as a 0 and each number as one 0."""
    return {
        name: re.sub(r"\d+", "0", event[name])
        for name in ("event_id", "session_id", "timestamp", "sent_at")
    }


@pytest.mark.parametrize(("name", "key"), [("beacon", ""), ("beacon-key", "shop")])
def test_events_of_beacon_js_are_written_as_the_script_writes_them(name: str, key: str) -> None:
    command = [require("node"), str(PAGE), str(ROOT / "web" / "beacon.js"), key]
    sent = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    assert sent == CORPORA[name].write(orjson.loads(sent)).encode()
    own = {json.dumps(fields(each)): forms(each) for each in events(name)}
    for seed in range(20):
        made = orjson.loads(Bodies(name, seed, 100).text(NOW))
        own |= {json.dumps(fields(each)): forms(each) for each in made}
    for event in orjson.loads(sent):
        assert own.get(json.dumps(fields(event))) == forms(event)


@pytest.mark.parametrize("script", ["event.lua", "batch.lua"])
def test_the_ideal_event_is_the_one_that_wrk_sends(script: str) -> None:
    lua = (ROOT / "benchmarks" / script).read_text(encoding="utf-8")
    sent = "".join(re.findall(r"'([^']*)'", lua))
    event = text("ideal", None).decode()
    assert sent == event.replace("2026-11-23T17:30:00.000Z", "")


def test_an_sdk_sends_fields_of_its_own_and_absent_optional_fields() -> None:
    found = events("sdk")
    own = {"project_id", "browser", "os", "device", "channel", "email", "user_agent"}
    assert set() == own - found[0].keys()
    for name in ("user_id", "session_id"):
        values = [each[name] for each in found]
        assert {"", None} <= {*values}
    assert {int, str, type(None)} == {type(each["user_id"]) for each in found}


def test_a_third_of_indented_text_is_white_space() -> None:
    sent = text("pretty")
    assert 3 * len(b"".join(sent.split())) < 2 * len(sent)


def test_text_in_several_scripts_is_raw_or_escaped_and_has_white_space() -> None:
    assert not text("utf8").isascii()
    assert text("escapes").isascii()
    assert b"\\u" in text("escapes")
    assert b'", "' in text("utf8")
    assert b'", "' in text("escapes")


def test_local_times_have_an_offset() -> None:
    times = [each["timestamp"] for each in events("offsets")]
    assert [] == [each for each in times if not re.fullmatch(r"[\d-]+T18:[\d:.]+\+01:00", each)]


def test_a_context_has_2_kb() -> None:
    sizes = [len(orjson.dumps(each["context"])) for each in events("nested")]
    assert 1_900 < min(sizes)
    assert max(sizes) < 2_200


def test_a_batch_of_beacon_js_comes_from_one_visitor() -> None:
    assert 1 == len({each["session_id"] for each in events("beacon")})
    assert 1 == len({each.get("user_id") for each in events("beacon")})
