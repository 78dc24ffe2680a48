"""A shipper over a store in memory, and a clock whose waits take no time."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from storage.counters import Counters
from storage.delivery.shipment import Packer
from storage.delivery.shipper import Shipper
from storage.delivery.uploader import Clock, DeliveryFailure
from storage.journal.backlog import Backlog
from storage.journal.record import encode
from storage.journal.segment import KeyRules, SealedSegment, new_segment_name
from storage.stores.store import DEFAULT_MAX_GET_BYTES, ObjectTooLarge, StoredObject, StoreError
from tests.storage.segments import local
from tests.support.waiting import WAIT_S

DAY = "events/year=2026/month=11/day=23"


def slow_down() -> StoreError:
    return StoreError("SlowDown", "please reduce your request rate", permanent=False)


def denied() -> StoreError:
    return StoreError("AccessDenied", "you may not", permanent=True)


class MemoryStore:
    """Objects in memory.

    `failures` are raised first, in order. `refused_keys` has errors that are raised for a key
    every time, `lost_responses` errors that are raised once, after the object was stored. Reading
    is denied unless the store `is_readable`.
    """

    def __init__(self, *failures: Exception) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts: list[str] = []
        self.failures = list(failures)
        self.refused_keys: dict[str, Exception] = {}
        self.lost_responses: dict[str, Exception] = {}
        self.is_readable = True
        self.max_in_flight = 0
        self._in_flight = 0
        self._lock = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()

    def put(self, item: StoredObject) -> bool:
        with self._lock:
            self._in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self._in_flight)
        try:
            self.gate.wait(WAIT_S)
            return self._put(item)
        finally:
            with self._lock:
                self._in_flight -= 1

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
            if item.key in self.lost_responses:
                raise self.lost_responses.pop(item.key)
            return True

    def get(self, key: str) -> bytes:
        if not self.is_readable:
            raise denied()
        if len(self.objects[key]) > DEFAULT_MAX_GET_BYTES:
            raise ObjectTooLarge(DEFAULT_MAX_GET_BYTES)
        return self.objects[key]

    def delete(self, key: str) -> None:
        del self.objects[key]

    def describe(self) -> str:
        return "memory"


@dataclass
class Bench:
    directory: Path
    store: MemoryStore
    counters: Counters
    backlog: Backlog
    shipper: Shipper
    waits: list[float]

    def seal(self, *ids: str, layout: str = "auto-100") -> SealedSegment:
        segment = write_segment(self.directory, *ids, layout=layout)
        self.shipper.enqueue(segment)
        return segment

    def files(self) -> list[str]:
        return sorted(path.name for path in self.directory.rglob("*") if path.is_file())

    @property
    def last_failure(self) -> DeliveryFailure:
        failure = self.shipper.last_failure
        assert failure is not None
        return failure


def line_of(event_id: str, event_type: str = "ours", received_at: str = "17:30:01") -> bytes:
    return (
        f'{{"event_id":"{event_id}","event_type":"{event_type}","timestamp":'
        f'"2026-11-23T17:30:00.000Z","received_at":"2026-11-23T{received_at}.000Z"}}'
    ).encode()


def write_segment(directory: Path, *ids: str, layout: str = "auto-100") -> SealedSegment:
    name = new_segment_name(KeyRules(layout, "events")).sealed(len(ids))
    lines = [line_of(each) for each in ids]
    records = encode(lines, name.checksum_seed)
    (directory / name.file_name).write_bytes(records)
    return SealedSegment(name, len(records))


@asynccontextmanager
async def bench(
    directory: Path, store: MemoryStore, packer: type[Packer] = Packer
) -> AsyncIterator[Bench]:
    journal = local(directory)
    journal.make()
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    counters = Counters()
    backlog = Backlog(journal, counters)
    backlog.load()
    clock = Clock(sleep=sleep, random=lambda: 1.0)
    shipper = Shipper(backlog, packer(journal), store, concurrency=4, clock=clock)
    try:
        yield Bench(directory, store, counters, backlog, shipper, waits)
    finally:
        store.gate.set()
        await shipper.close()
