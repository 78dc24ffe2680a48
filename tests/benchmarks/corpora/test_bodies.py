"""Promises of the corpora: valid, repeatable, and with event ids of their own."""

import gzip
import re
from collections.abc import Iterator
from itertools import chain

import orjson
import pytest

from benchmarks.corpora.bodies import Bodies
from benchmarks.corpora.corpus import CORPORA
from tests.validation.readers import NOW, make_reader
from validation.outcomes import Accepted, Rejected, RequestInfo

INFO = RequestInfo("2026-11-23T17:30:00.000Z", "192.0.2.7", "agent/1")
READER = make_reader(max_event_bytes=256 * 1024, max_batch_events=100)
SEED = 7
SIZES = (None, 10, 100)
BATCHES = 60

WITH_IDS = [name for name in CORPORA if name != "ideal"]
TIME = re.compile(rb"20\d\d-\d\d-\d\dT[\d:.]+(Z|\+01:00)")


def texts(name: str, size: int | None, count: int, seed: int = SEED) -> list[bytes]:
    bodies = Bodies(name, seed, size)
    return [bodies.text(NOW) for _ in range(count)]


def read(name: str, size: int | None, text: bytes) -> list[Accepted | Rejected]:
    if size is None:
        return [READER.single(text, INFO)]
    if CORPORA[name].content_type == "application/x-ndjson":
        return READER.ndjson(text, INFO)
    return READER.batch(text, INFO)


def accepted(name: str, size: int | None, count: int, seed: int = SEED) -> Iterator[Accepted]:
    """Read bodies; yield their events, all of which must be accepted."""
    for text in texts(name, size, count, seed):
        for each in read(name, size, text):
            assert isinstance(each, Accepted), each
            yield each


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CORPORA)
def test_every_event_is_accepted(name: str, size: int | None) -> None:
    assert 3 * (size or 1) == len(list(accepted(name, size, 3)))


@pytest.mark.parametrize("name", WITH_IDS)
def test_no_event_id_is_repeated(name: str) -> None:
    read = chain(
        accepted(name, None, BATCHES),
        accepted(name, 10, BATCHES),
        accepted(name, 10, BATCHES, seed=SEED + 1),
    )
    ids = [each.client_event_id for each in read]
    assert None not in ids
    assert len(ids) == len(set(ids))


def test_the_ideal_event_leaves_its_id_to_the_server() -> None:
    assert [None] * 20 == [each.client_event_id for each in accepted("ideal", 10, 2)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CORPORA)
def test_the_same_seed_makes_the_same_bodies(name: str, size: int | None) -> None:
    assert texts(name, size, 3) == texts(name, size, 3)


@pytest.mark.parametrize("name", WITH_IDS)
def test_another_seed_makes_other_events(name: str) -> None:
    assert texts(name, 10, 1) != texts(name, 10, 1, seed=SEED + 1)


@pytest.mark.parametrize("name", CORPORA)
def test_only_the_times_depend_on_the_time_of_sending(name: str) -> None:
    body, later = Bodies(name, SEED, 10), Bodies(name, SEED, 10)
    now, then = body.text(NOW), later.text(NOW + 1000.5)
    assert now != then
    assert TIME.sub(b"", now) == TIME.sub(b"", then)


def test_times_are_relative_to_the_time_of_sending() -> None:
    (event,) = orjson.loads(Bodies("beacon", SEED, 1).text(NOW))
    assert "2026-11-23T17:30:00.000Z" == event["sent_at"]
    assert "2026-11-23T17:29:45.000Z" <= event["timestamp"] <= event["sent_at"]


@pytest.mark.parametrize("name", CORPORA)
def test_only_a_skewed_clock_is_corrected(name: str) -> None:
    corrections = {
        orjson.loads(each.line).get("clock_correction_ms") for each in accepted(name, 10, 3)
    }
    assert {90_000 if name == "skewed" else None} == corrections


def test_only_the_log_shipper_compresses() -> None:
    for name in CORPORA:
        text, content = (getattr(Bodies(name, SEED, 10), made)(NOW) for made in ("text", "content"))
        if name == "ndjson-gzip":
            assert text == gzip.decompress(content)
        else:
            assert text == content


def test_a_body_after_the_last_template_has_new_ids() -> None:
    bodies = Bodies("beacon", SEED, 2000)
    assert bodies.text(NOW) != bodies.text(NOW)
