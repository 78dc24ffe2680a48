import asyncio
from pathlib import Path

from tests.storage.delivery.shipping import DAY, MemoryStore, bench, write_segment
from tests.support.waiting import WAIT_S, let_tasks_run, until


async def test_a_sealed_segment_is_delivered_and_then_deleted(tmp_path: Path) -> None:
    async with bench(tmp_path, MemoryStore()) as b:
        b.seal("a", "b")
        assert await b.shipper.drain(WAIT_S)
        assert {f"{DAY}/a.json", f"{DAY}/b.json"} == b.store.objects.keys()
        assert [] == b.files()
        assert b.shipper.last_delivery_at is not None


async def test_segments_of_an_earlier_process_are_delivered(tmp_path: Path) -> None:
    write_segment(tmp_path, "a")
    async with bench(tmp_path, MemoryStore()) as b:
        assert await b.shipper.drain(WAIT_S)
        assert [f"{DAY}/a.json"] == list(b.store.objects)


async def test_a_full_segment_becomes_one_object_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async with bench(tmp_path, MemoryStore()) as b:
        segment = b.seal(*(f"e{n}" for n in range(101)))
        assert await b.shipper.drain(WAIT_S)
        assert [f"{DAY}/{segment.name.id}.ndjson.gz"] == list(b.store.objects)
        assert [] == b.files()


async def test_no_more_objects_are_sent_at_once_than_configured(tmp_path: Path) -> None:
    store = MemoryStore()
    store.gate.clear()
    async with bench(tmp_path, store) as b:
        for segment in range(10):
            b.seal(*(f"s{segment}e{n}" for n in range(10)))
        await until(lambda: store.max_in_flight == 4)
        store.gate.set()
        assert await b.shipper.drain(WAIT_S)
        assert 4 == store.max_in_flight
        assert 100 == len(store.objects)


async def test_a_segment_that_vanished_is_reported_and_does_not_stop_the_others(
    tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("segment file was removed before delivery")
    async with bench(tmp_path, MemoryStore()) as b:
        gone = write_segment(tmp_path, "a")
        (tmp_path / gone.name.file_name).unlink()
        b.backlog.add(gone)
        b.seal("b")
        assert await b.shipper.drain(WAIT_S)
        assert [f"{DAY}/b.json"] == list(b.store.objects)


async def test_a_segment_that_is_not_delivered_in_time_stays_in_the_journal(tmp_path: Path) -> None:
    store = MemoryStore()
    store.gate.clear()
    async with bench(tmp_path, store) as b:
        segment = b.seal("a")
        await until(lambda: store.max_in_flight == 1)
        assert not await b.shipper.drain(0)
        assert [segment.name.file_name] == b.files()


async def test_a_segment_file_that_was_removed_counts_its_events_as_lost(
    tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("segment file was removed before delivery")
    store = MemoryStore()
    store.gate.clear()
    async with bench(tmp_path, store) as b:
        gone = write_segment(tmp_path, "a", "b")
        (tmp_path / gone.name.file_name).unlink()
        delivery = asyncio.create_task(b.shipper.wait_for_delivery(gone.name.id))
        await let_tasks_run()
        b.shipper.enqueue(gone)
        assert not await delivery
        assert (0, 2) == (b.counters.delivered, b.counters.lost)


async def test_several_may_wait_for_the_delivery_of_one_segment(tmp_path: Path) -> None:
    store = MemoryStore()
    store.gate.clear()
    async with bench(tmp_path, store) as b:
        segment = b.seal("a")
        waits = [
            asyncio.create_task(b.shipper.wait_for_delivery(segment.name.id)) for _ in range(3)
        ]
        await until(lambda: store.max_in_flight == 1)
        waits[0].cancel()
        store.gate.set()
        assert [True, True] == await asyncio.gather(*waits[1:])


async def test_a_call_for_an_idle_shipper_waits_while_all_uploads_are_taken(tmp_path: Path) -> None:
    store = MemoryStore()
    store.gate.clear()
    calls: list[str] = []
    async with bench(tmp_path, store) as b:
        b.shipper.call_when_idle(lambda: calls.append("idle"))
        assert ["idle"] == calls
        for number in range(4):
            b.seal(f"e{number}")
        b.shipper.call_when_idle(lambda: calls.append("busy"))
        await until(lambda: store.max_in_flight == 4)
        assert ["idle"] == calls
        store.gate.set()
        assert await b.shipper.drain(WAIT_S)
        await until(lambda: calls == ["idle", "busy"])
