"""Events at whose key an object is in the store already."""

import json
from pathlib import Path

import pytest

from storage.dedup.identity import conflict_id, conflict_line, fingerprints
from storage.journal.segment import SealedSegment
from storage.stores.store import DEFAULT_MAX_GET_BYTES
from tests.storage.delivery.shipping import (
    DAY,
    Bench,
    MemoryStore,
    bench,
    line_of,
    slow_down,
    write_segment,
)
from tests.support.waiting import WAIT_S, until

KEY = f"{DAY}/a.json"
OURS, THEIRS = line_of("a"), line_of("a", "theirs")
KEPT_AS = conflict_id("a", fingerprints([OURS])[0])
BESIDE = f"{DAY}/{KEPT_AS}.json"
HIDDEN = f"events/_unverified/{DAY.removeprefix('events/')}/{KEPT_AS}.json"
KEPT = conflict_line(OURS, KEPT_AS)


def store_with(present: bytes, *, is_readable: bool = True) -> MemoryStore:
    store = MemoryStore()
    store.objects[KEY] = present
    store.is_readable = is_readable
    return store


def outcomes(b: Bench) -> tuple[int, int, int]:
    """Count those in the store already, those stored beside another, and hidden copies."""
    return b.shipper.already_in_store, b.shipper.late_conflicts, b.shipper.unverified


@pytest.mark.parametrize("present", [THEIRS, b"no event", b""])
@pytest.mark.parametrize("is_readable", [True, False])
async def test_another_event_at_the_key_costs_neither_of_the_two(
    tmp_path: Path, present: bytes, is_readable: bool
) -> None:
    async with bench(tmp_path, store_with(present, is_readable=is_readable)) as b:
        b.seal("a")
        assert await b.shipper.drain(WAIT_S)
        assert {KEY: present, BESIDE: KEPT} == b.store.objects
        assert (0, 1, 0) == outcomes(b)
    assert "a" == json.loads(KEPT)["original_event_id"]


async def test_an_event_that_is_stored_beside_another_twice_is_there_once(tmp_path: Path) -> None:
    store = store_with(THEIRS)
    store.lost_responses[BESIDE] = slow_down()
    async with bench(tmp_path, store) as b:
        b.seal("a")
        assert await b.shipper.drain(WAIT_S)
        assert {KEY: THEIRS, BESIDE: KEPT} == store.objects
        assert (0, 1, 0) == outcomes(b)


@pytest.mark.parametrize("is_readable", [True, False])
async def test_a_failure_after_the_key_was_found_taken_is_retried_beside_it(
    tmp_path: Path, is_readable: bool
) -> None:
    store = store_with(THEIRS, is_readable=is_readable)
    store.refused_keys[BESIDE] = slow_down()
    async with bench(tmp_path, store) as b:
        b.seal("a")
        await until(lambda: len(b.waits) > 0)
        store.refused_keys.clear()
        assert await b.shipper.drain(WAIT_S)
        assert {KEY: THEIRS, BESIDE: KEPT} == store.objects


async def test_our_own_object_whose_response_was_lost_is_no_conflict(tmp_path: Path) -> None:
    store = MemoryStore()
    store.lost_responses[KEY] = slow_down()
    async with bench(tmp_path, store) as b:
        b.seal("a")
        assert await b.shipper.drain(WAIT_S)
        assert {KEY: OURS} == store.objects
        assert (0, 0, 0) == outcomes(b)


async def test_a_key_that_is_taken_by_nobody_knows_whom_gets_a_copy_that_readers_skip(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    store.is_readable = False
    store.lost_responses[KEY] = slow_down()
    async with bench(tmp_path, store) as b:
        b.seal("a")
        assert await b.shipper.drain(WAIT_S)
        assert {KEY: OURS, HIDDEN: KEPT} == store.objects
        assert (0, 0, 1) == outcomes(b)
    assert "taken key cannot be read, unverified copy stored" in caplog.messages


async def test_an_object_that_is_too_large_to_be_read_is_another_event(tmp_path: Path) -> None:
    store = store_with(b" " * (DEFAULT_MAX_GET_BYTES + 1))
    async with bench(tmp_path, store) as b:
        b.seal("a")
        assert await b.shipper.drain(WAIT_S)
        assert KEPT == store.objects[BESIDE]
        assert (0, 1, 0) == outcomes(b)


def of_an_earlier_process(directory: Path) -> SealedSegment:
    return write_segment(directory, "a")


@pytest.mark.parametrize(
    ("present", "is_readable", "expected"),
    [
        (OURS, True, {KEY: OURS}),
        (THEIRS, True, {KEY: THEIRS, BESIDE: KEPT}),
        (OURS, False, {KEY: OURS, HIDDEN: KEPT}),
        (THEIRS, False, {KEY: THEIRS, HIDDEN: KEPT}),
    ],
)
async def test_a_segment_of_an_earlier_process_loses_and_doubles_nothing(
    tmp_path: Path, present: bytes, is_readable: bool, expected: dict[str, bytes]
) -> None:
    of_an_earlier_process(tmp_path)
    async with bench(tmp_path, store_with(present, is_readable=is_readable)) as b:
        assert await b.shipper.drain(WAIT_S)
        assert expected == b.store.objects


async def test_a_conflict_at_its_own_key_is_there_already(tmp_path: Path) -> None:
    store = MemoryStore()
    store.is_readable = False
    store.objects[BESIDE] = KEPT
    async with bench(tmp_path, store) as b:
        b.seal(KEPT_AS)
        assert await b.shipper.drain(WAIT_S)
        assert {BESIDE: KEPT} == store.objects
        assert (1, 0, 0) == outcomes(b)
