import asyncio
import os
import sys
import threading
from collections.abc import Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from storage.counters import Counters
from storage.delivery.shipment import Packer
from storage.delivery.shipper import Shipper
from storage.delivery.uploader import Clock
from storage.filesystem import LocalFileSystem
from storage.journal.backlog import Backlog
from storage.journal.record import encode
from storage.journal.segment import KeyRules, SealedSegment, new_segment_name
from storage.stores.store import StoredObject, StoreError

DAY = "events/year=2026/month=11/day=23"


def slow_down() -> StoreError:
    return StoreError("SlowDown", "please reduce your request rate", permanent=False)


def denied() -> StoreError:
    return StoreError("AccessDenied", "you may not", permanent=True)


class MemoryStore:
    """Objects in memory; `failures` are raised first, in order, or by key for good."""

    def __init__(self, *failures: Exception) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts: list[str] = []
        self.failures = list(failures)
        self.refused_keys: dict[str, Exception] = {}
        self.lost_answers: dict[str, Exception] = {}
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()

    def put(self, item: StoredObject) -> bool:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self.gate.wait(10)
            return self._put(item)
        finally:
            with self._lock:
                self._at_once -= 1

    def _put(self, item: StoredObject) -> bool:
        with self._lock:
            self.puts.append(item.key)
            if self.failures:
                raise self.failures.pop(0)
            if item.key in self.refused_keys:
                raise self.refused_keys[item.key]
            if item.create_only and item.key in self.objects:
                return False
            with item.open() as body:
                self.objects[item.key] = body.read()
            if item.key in self.lost_answers:
                raise self.lost_answers.pop(item.key)
            return True

    def get(self, key: str) -> bytes:
        return self.objects[key]

    def delete(self, key: str) -> None:
        del self.objects[key]

    def describe(self) -> str:
        return "memory"


@dataclass
class Bench:
    directory: Path
    store: MemoryStore
    backlog: Backlog
    shipper: Shipper
    waits: list[float]

    def seal(self, *ids: str, layout: str = "auto-100") -> SealedSegment:
        segment = write_segment(self.directory, *ids, layout=layout)
        self.shipper.enqueue(segment)
        return segment

    def files(self) -> list[str]:
        return sorted(path.name for path in self.directory.rglob("*") if path.is_file())


def write_segment(directory: Path, *ids: str, layout: str = "auto-100") -> SealedSegment:
    name = new_segment_name(KeyRules(layout, "events")).sealed(len(ids))
    lines = [
        b'{"event_id":"%b","timestamp":"2026-11-23T17:30:00.000Z"}' % each.encode() for each in ids
    ]
    records = encode(lines, name.checksum_seed)
    (directory / name.file_name).write_bytes(records)
    return SealedSegment(name, len(records))


@asynccontextmanager
async def bench(directory: Path, store: MemoryStore, packer: type[Packer] = Packer):  # type: ignore[no-untyped-def]
    fs = LocalFileSystem()
    fs.make_directory(directory / "staged")
    fs.make_directory(directory / "damaged")
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    backlog = Backlog(fs, directory, Counters())
    backlog.load()
    clock = Clock(sleep=sleep, random=lambda: 1.0)
    shipper = Shipper(backlog, packer(fs, directory), store, concurrency=4, clock=clock)
    yield Bench(directory, store, backlog, shipper, waits)
    store.gate.set()
    await shipper.close()


def run(claim: Coroutine[Any, Any, None]) -> None:
    asyncio.run(claim)


def test_a_sealed_segment_is_delivered_and_then_deleted(tmp_path: Path) -> None:
    async def claim() -> None:
        async with bench(tmp_path, MemoryStore()) as b:
            b.seal("a", "b")
            assert await b.shipper.drain(10)
            assert {f"{DAY}/a.json", f"{DAY}/b.json"} == b.store.objects.keys()
            assert [] == b.files()
            assert b.shipper.last_delivery_at is not None

    run(claim())


def test_what_an_earlier_process_left_is_delivered(tmp_path: Path) -> None:
    write_segment(tmp_path, "a")

    async def claim() -> None:
        async with bench(tmp_path, MemoryStore()) as b:
            assert await b.shipper.drain(10)
            assert [f"{DAY}/a.json"] == list(b.store.objects)

    run(claim())


def test_a_full_segment_becomes_one_object_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async def claim() -> None:
        async with bench(tmp_path, MemoryStore()) as b:
            segment = b.seal(*(f"e{n}" for n in range(101)))
            assert await b.shipper.drain(10)
            assert [f"{DAY}/{segment.name.id}.ndjson.gz"] == list(b.store.objects)
            assert [] == b.files()

    run(claim())


def test_a_transient_failure_is_retried_with_doubling_waits(tmp_path: Path) -> None:
    store = MemoryStore(*(slow_down() for _ in range(10)))

    async def claim() -> None:
        async with bench(tmp_path, store) as b:
            b.seal("a")
            assert await b.shipper.drain(10)
            expected = [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]
            assert expected == pytest.approx(b.waits)
            assert [f"{DAY}/a.json"] * 11 == store.puts
            assert "SlowDown" == b.shipper.last_failure.code

    run(claim())


def test_an_event_in_the_store_is_not_replaced_and_counts_as_delivered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    store.objects[f"{DAY}/a.json"] = b"first"

    async def claim() -> None:
        async with bench(tmp_path, store) as b:
            b.seal("a", "b")
            assert await b.shipper.drain(10)
            assert b"first" == store.objects[f"{DAY}/a.json"]
            assert f"{DAY}/b.json" in store.objects
            assert [] == b.files()

    run(claim())
    assert [1] == already_in_store(caplog)


def test_an_object_whose_answer_was_lost_is_not_called_a_duplicate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    store.lost_answers[f"{DAY}/a.json"] = slow_down()

    async def claim() -> None:
        async with bench(tmp_path, store) as b:
            b.seal("a")
            assert await b.shipper.drain(10)
            assert [f"{DAY}/a.json"] * 2 == store.puts

    run(claim())
    assert [] == already_in_store(caplog)


def already_in_store(caplog: pytest.LogCaptureFixture) -> list[int]:
    found = (r for r in caplog.records if r.message.startswith("objects already in store"))
    return [record.__dict__["fields"]["objects"] for record in found]


def test_a_permanent_failure_is_an_error_in_the_log_and_retried_slowly(
    tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("delivery failed")

    async def claim() -> None:
        async with bench(tmp_path, MemoryStore(denied(), denied())) as b:
            b.seal("a")
            assert await b.shipper.drain(10)
            assert [5.0, 10.0] == b.waits
            assert b.shipper.last_failure.permanent

    run(claim())


def test_one_refused_object_does_not_hold_up_its_neighbours(tmp_path: Path) -> None:
    store = MemoryStore()
    store.refused_keys[f"{DAY}/e3.json"] = slow_down()

    async def claim() -> None:
        async with bench(tmp_path, store) as b:
            b.seal(*(f"e{n}" for n in range(10)))
            await asyncio.to_thread(wait_for, lambda: len(store.objects) == 9)
            assert not b.backlog.is_empty
            store.refused_keys.clear()
            assert await b.shipper.drain(10)
            assert 10 == len(store.objects)

    run(claim())


def wait_for(condition: Any) -> None:
    for _ in range(2000):
        if condition():
            return
        threading.Event().wait(0.005)
    raise AssertionError("it did not come to pass within 10 seconds")


def test_no_more_objects_are_sent_at_once_than_configured(tmp_path: Path) -> None:
    store = MemoryStore()
    store.gate.clear()

    async def claim() -> None:
        async with bench(tmp_path, store) as b:
            for segment in range(10):
                b.seal(*(f"s{segment}e{n}" for n in range(10)))
            await asyncio.to_thread(wait_for, lambda: store.most_at_once == 4)
            store.gate.set()
            assert await b.shipper.drain(30)
            assert 4 == store.most_at_once
            assert 100 == len(store.objects)

    run(claim())


def test_a_segment_that_vanished_is_reported_and_does_not_stop_the_others(
    tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("segment file was removed before delivery")

    async def claim() -> None:
        async with bench(tmp_path, MemoryStore()) as b:
            gone = write_segment(tmp_path, "a")
            (tmp_path / gone.name.file_name).unlink()
            b.backlog.add(gone)
            b.seal("b")
            assert await b.shipper.drain(10)
            assert [f"{DAY}/b.json"] == list(b.store.objects)

    run(claim())


class CannotDelete(Packer):
    refusals = 2

    def discard(self, shipment: Any) -> None:
        if self.refusals:
            self.refusals -= 1
            raise PermissionError(13, "Read-only file system")
        super().discard(shipment)


def test_a_delivered_segment_that_cannot_be_deleted_is_not_sent_again(
    tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("segment cannot be shipped")

    async def claim() -> None:
        async with bench(tmp_path, MemoryStore(), CannotDelete) as b:
            b.seal("a")
            assert await b.shipper.drain(10)
            assert [f"{DAY}/a.json"] == b.store.puts
            assert [] == b.files()

    run(claim())


def test_what_is_not_delivered_in_time_stays_in_the_journal(tmp_path: Path) -> None:
    store = MemoryStore()
    store.gate.clear()

    async def claim() -> None:
        async with bench(tmp_path, store) as b:
            segment = b.seal("a")
            assert not await b.shipper.drain(0.05)
            assert [segment.name.file_name] == b.files()

    run(claim())


def test_a_store_that_raises_something_unforeseen_does_not_stop_shipping(
    tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("segment cannot be shipped")

    async def claim() -> None:
        async with bench(tmp_path, MemoryStore(RuntimeError("a defect"))) as b:
            b.seal("a")
            assert await b.shipper.drain(10)
            assert [f"{DAY}/a.json"] == list(b.store.objects)

    run(claim())


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


NO_PRIORITIES = "only on Linux a thread has a priority of its own"


@pytest.mark.skipif(sys.platform != "linux", reason=NO_PRIORITIES)
def test_shipping_gives_way_to_requests(tmp_path: Path) -> None:
    seen: set[int] = set()

    class Watched(MemoryStore):
        def put(self, item: StoredObject) -> bool:
            seen.add(niceness())
            return super().put(item)

    async def claim() -> None:
        async with bench(tmp_path, Watched()) as b:
            b.seal("a", "b")
            assert await b.shipper.drain(10)

    before = niceness()
    run(claim())
    assert {min(before + 10, 19)} == seen
    assert before == niceness()


def test_where_priorities_are_forbidden_shipping_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbidden)

    async def claim() -> None:
        async with bench(tmp_path, MemoryStore()) as b:
            b.seal("a")
            assert await b.shipper.drain(10)

    run(claim())
