import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from storage.delivery import uploader
from storage.delivery.shipment import Packer
from storage.stores.store import StoredObject
from tests.storage.delivery.shipping import DAY, MemoryStore, bench, denied, line_of, slow_down
from tests.support.waiting import WAIT_S, until


async def test_a_transient_failure_is_retried_with_doubling_waits(tmp_path: Path) -> None:
    store = MemoryStore(*(slow_down() for _ in range(10)))
    async with bench(tmp_path, store) as b:
        b.seal("a")
        assert await b.shipper.drain(WAIT_S)
        expected = [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]
        assert expected == pytest.approx(b.waits)
        assert [f"{DAY}/a.json"] * 11 == store.puts
        assert "SlowDown" == b.last_failure.code


async def test_an_event_that_the_store_has_already_is_not_replaced_and_counts_as_delivered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    late = store.objects[f"{DAY}/a.json"] = line_of("a", received_at="12:00:00")
    async with bench(tmp_path, store) as b:
        b.seal("a", "b")
        assert await b.shipper.drain(WAIT_S)
        assert {f"{DAY}/a.json": late, f"{DAY}/b.json": line_of("b")} == store.objects
        assert [] == b.files()
        assert (1, 0, 0) == (
            b.shipper.already_in_store,
            b.shipper.late_conflicts,
            b.shipper.unverified,
        )
    assert [1] == already_in_store(caplog)


async def test_an_object_whose_response_was_lost_is_not_called_a_duplicate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    store.lost_responses[f"{DAY}/a.json"] = slow_down()
    async with bench(tmp_path, store) as b:
        b.seal("a")
        assert await b.shipper.drain(WAIT_S)
        assert [f"{DAY}/a.json"] * 2 == store.puts
    assert [] == already_in_store(caplog)


def already_in_store(caplog: pytest.LogCaptureFixture) -> list[int]:
    found = (r for r in caplog.records if r.message.startswith("objects already in store"))
    return [record.__dict__["fields"]["objects"] for record in found]


async def test_a_permanent_failure_is_an_error_in_the_log_and_retried_slowly(
    tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("delivery failed")
    async with bench(tmp_path, MemoryStore(denied(), denied())) as b:
        b.seal("a")
        assert await b.shipper.drain(WAIT_S)
        assert [5.0, 10.0] == b.waits
        assert b.last_failure.permanent


async def test_one_refused_object_does_not_hold_up_its_neighbours(tmp_path: Path) -> None:
    store = MemoryStore()
    store.refused_keys[f"{DAY}/e3.json"] = slow_down()
    async with bench(tmp_path, store) as b:
        b.seal(*(f"e{n}" for n in range(10)))
        await until(lambda: len(store.objects) == 9)
        assert not b.backlog.is_empty
        store.refused_keys.clear()
        assert await b.shipper.drain(WAIT_S)
        assert 10 == len(store.objects)


class CannotDelete(Packer):
    refusals = 2

    def discard(self, shipment: Any) -> None:
        if self.refusals:
            self.refusals -= 1
            raise PermissionError(13, "Read-only file system")
        super().discard(shipment)


async def test_a_delivered_segment_that_cannot_be_deleted_is_not_uploaded_twice(
    tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("segment cannot be shipped")
    async with bench(tmp_path, MemoryStore(), CannotDelete) as b:
        b.seal("a")
        assert await b.shipper.drain(WAIT_S)
        assert [f"{DAY}/a.json"] == b.store.puts
        assert [] == b.files()


async def test_a_store_that_raises_something_unforeseen_does_not_stop_shipping(
    tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("segment cannot be shipped")
    async with bench(tmp_path, MemoryStore(RuntimeError("a defect"))) as b:
        b.seal("a")
        assert await b.shipper.drain(WAIT_S)
        assert [f"{DAY}/a.json"] == list(b.store.objects)


async def test_an_upload_without_a_result_is_reported_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(uploader, "STALLED_S", 0.01)
    store = MemoryStore()
    store.gate.clear()
    async with bench(tmp_path, store) as b:
        b.seal("a")
        await until(lambda: caplog.messages.count("upload has stalled") >= 2)
        assert ("UploadStalled", False) == (b.last_failure.code, b.last_failure.permanent)
        store.gate.set()
        assert await b.shipper.drain(60)
    assert [] == b.waits


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


NO_PRIORITIES = "only on Linux a thread has a priority of its own"


@pytest.mark.skipif(sys.platform != "linux", reason=NO_PRIORITIES)
async def test_shipping_gives_way_to_requests(tmp_path: Path) -> None:
    seen: set[int] = set()

    class Watched(MemoryStore):
        def put(self, item: StoredObject) -> bool:
            seen.add(niceness())
            return super().put(item)

    before = niceness()
    async with bench(tmp_path, Watched()) as b:
        b.seal("a", "b")
        assert await b.shipper.drain(WAIT_S)
    assert {min(before + 10, 19)} == seen
    assert before == niceness()


async def test_shipping_continues_if_priorities_are_forbidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbidden)
    async with bench(tmp_path, MemoryStore()) as b:
        b.seal("a")
        assert await b.shipper.drain(WAIT_S)
