"""Prepared requests: their text, and the time for which each is meant."""

import gzip
from dataclasses import replace
from itertools import count, islice

import orjson
import pytest

from benchmarks.corpora.bodies import Bodies
from benchmarks.prepared import SLOT_S, Load, Prepared, requests
from tests.validation.readers import NOW
from validation.times import parse_time

LOAD = Load(
    port=80, corpus="beacon", size=2, seed=7, seconds=3.0, rate=4.0, connections=1
)  # 3 requests in each of 6 slots
PER_SLOT = 3


def first(load: Load) -> bytes:
    return next(requests(load, Bodies(load.corpus, load.seed, load.size), NOW))


def sent_at(request: bytes | None) -> float:
    """Return the time of a request in Unix seconds."""
    assert request is not None
    (event, _) = orjson.loads(request.partition(b"\r\n\r\n")[2])
    return parse_time(event["sent_at"]).timestamp()


def test_a_batch_is_sent_as_beacon_js_sends_it() -> None:
    body = Bodies("beacon", 7, 2).content(NOW)
    assert first(LOAD) == (
        b"POST /api/v1/events/batch HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n\r\n%b"
        % (len(body), body)
    )


def test_a_single_event_goes_to_its_own_endpoint() -> None:
    head, _, body = first(replace(LOAD, size=None)).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/v1/events HTTP/1.1\r\n")
    assert isinstance(orjson.loads(body), dict)


def test_compressed_lines_say_so() -> None:
    head, _, body = first(replace(LOAD, corpus="ndjson-gzip")).partition(b"\r\n\r\n")
    assert b"\r\nContent-Type: application/x-ndjson\r\nContent-Encoding: gzip\r\n" in head
    assert 2 == len(gzip.decompress(body).splitlines())


def test_a_load_survives_the_command_line() -> None:
    assert LOAD == Load.from_text(LOAD.to_text())
    single = replace(LOAD, size=None)
    assert single == Load.from_text(single.to_text())


def test_if_preparing_takes_longer_than_expected_it_is_repeated_for_a_later_start() -> None:
    # Preparing takes 3 s.
    clock = iter([NOW, NOW + 3, NOW + 3, NOW + 6, NOW + 6, NOW + 9])
    prepared = Prepared(LOAD, now=lambda: next(clock))
    assert NOW + 9 < prepared.start
    assert prepared.start == pytest.approx(sent_at(prepared.next()), abs=0.001)


def test_a_machine_that_is_too_busy_to_prepare_requests_ends_the_benchmark() -> None:
    clock = count(NOW, 100.0)
    with pytest.raises(SystemExit, match="too busy"):
        Prepared(LOAD, now=lambda: next(clock))


def test_each_slot_has_requests_of_its_time() -> None:
    prepared = Prepared(LOAD)
    times = [round(sent_at(prepared.next()) - prepared.start, 1) for _ in range(6 * PER_SLOT)]
    assert times == [at * SLOT_S for at in range(6) for _ in range(PER_SLOT)]
    assert prepared.next() is None


def test_no_request_is_repeated() -> None:
    prepared = Prepared(LOAD)
    made = list(islice(iter(prepared.next, None), 100))
    assert 6 * PER_SLOT == len(set(made))


def test_requests_whose_time_has_passed_are_skipped() -> None:
    prepared = Prepared(LOAD)
    assert prepared.skip_passed(prepared.start + 1.1)
    assert 1.0 == round(sent_at(prepared.next()) - prepared.start, 1)
    assert not prepared.skip_passed(prepared.end)


def test_requests_whose_time_is_far_are_not_sent() -> None:
    prepared = Prepared(LOAD)
    for _ in range(4 * PER_SLOT + 1):
        prepared.next()
    assert not prepared.skip_passed(prepared.start + 0.4)
    assert prepared.skip_passed(prepared.start + 0.6)


def test_large_requests_shorten_the_measurement() -> None:
    load = replace(LOAD, corpus="nested", size=10, rate=8.0, seconds=60.0)
    prepared = Prepared(load, max_bytes=1024 * 1024)
    made = list(iter(prepared.next, None))
    assert sum(map(len, made)) <= 1024 * 1024
    assert prepared.end - prepared.start == SLOT_S * len(made) / 5
