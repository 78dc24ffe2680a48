import errno
import gzip
import os
import shutil
import zlib
from pathlib import Path

import pytest

from storage.delivery import batch_body
from storage.delivery.shipment import Packer, SegmentUnreadable, SegmentVanished, Shipment
from storage.filesystem import LocalFileSystem
from storage.journal.directory import JournalDirectory
from storage.journal.record import HEAD_BYTES
from storage.journal.recovery import recover
from storage.journal.segment import SealedSegment, SegmentName
from storage.stores.store import StoredObject
from tests.storage.segments import (
    DAY,
    NAME,
    SEGMENT_ID,
    contents,
    event,
    events,
    flip,
    local,
    numbered_name,
    offsets,
    quarantined,
    shipped,
    write_sealed,
)
from tests.support.failing_filesystem import FaultyFileSystem
from tests.support.fault_policies import Fault

BATCH = numbered_name(1, "batch")
EVENT = numbered_name(1, "event")
STAGED = f"staged/{BATCH.id}.{DAY}.ndjson.gz"
TWO_DAYS = [event(0, "2026-11-22"), event(1, DAY)]
LOCAL = LocalFileSystem()


def opened(directory: Path, segment: SealedSegment) -> tuple[Packer, Shipment]:
    packer = Packer(local(directory))
    return packer, packer.open_shipment(segment)


def objects(packer: Packer, shipment: Shipment) -> list[StoredObject]:
    return [packer.pack(shipment, plan) for plan in shipment.plans()]


def body(item: StoredObject) -> bytes:
    with item.open() as stream:
        return stream.read()


def test_each_event_becomes_an_object_in_the_order_of_arrival(tmp_path: Path) -> None:
    lines = events(12)
    packer, shipment = opened(tmp_path, write_sealed(tmp_path, lines, EVENT))
    items = objects(packer, shipment)
    keys = [f"events/year=2026/month=11/day=23/e{number}.json" for number in range(12)]
    assert keys == [item.key for item in items]
    assert lines == [body(item) for item in items]
    assert [len(line) for line in lines] == [item.size for item in items]
    assert {"application/json"} == {item.content_type for item in items}
    assert len(items) == shipment.objects


def test_a_batch_becomes_one_object_with_all_its_events(tmp_path: Path) -> None:
    lines = events(600)
    packer, shipment = opened(tmp_path, write_sealed(tmp_path, lines, BATCH))
    (item,) = objects(packer, shipment)
    assert f"events/year=2026/month=11/day=23/{BATCH.id}.ndjson.gz" == item.key
    assert lines == gzip.decompress(body(item)).splitlines()
    assert len(body(item)) == item.size
    assert item.content_type == "application/gzip"
    assert shipment.objects == 1


@pytest.mark.parametrize(("count", "expected"), [(100, 100), (101, 1)])
def test_a_fuller_segment_is_batched_in_auto(tmp_path: Path, count: int, expected: int) -> None:
    assert expected == len(shipped_of(tmp_path, events(count)))


def shipped_of(directory: Path, lines: list[bytes]) -> dict[str, bytes]:
    write_sealed(directory, lines, NAME)
    return shipped(directory)


def test_a_batch_is_split_by_the_events_own_days(tmp_path: Path) -> None:
    first, second = "2026-11-22", "2026-11-23"
    lines = [event(0, second), event(1, first), event(2, second), event(3, first)]
    write_sealed(tmp_path, lines, BATCH)
    expected = {
        f"events/year=2026/month=11/day=22/{BATCH.id}.ndjson.gz": [lines[1], lines[3]],
        f"events/year=2026/month=11/day=23/{BATCH.id}.ndjson.gz": [lines[0], lines[2]],
    }
    found = {key: gzip.decompress(raw).splitlines() for key, raw in shipped(tmp_path).items()}
    assert expected == found


def test_days_come_in_order_and_events_of_a_day_as_they_arrived(tmp_path: Path) -> None:
    lines = [event(2, "2026-11-23"), event(1, "2026-11-22"), event(0, "2026-11-23")]
    packer, shipment = opened(tmp_path, write_sealed(tmp_path, lines, EVENT))
    assert [lines[1], lines[0], lines[2]] == [body(item) for item in objects(packer, shipment)]


@pytest.mark.parametrize("name", [BATCH, EVENT])
def test_every_attempt_at_a_segment_makes_the_same_objects(
    tmp_path: Path, name: SegmentName
) -> None:
    write_sealed(tmp_path, events(20), name)
    once = shipped(tmp_path)
    recover(local(tmp_path))
    assert once == shipped(tmp_path)


def test_a_body_can_be_read_any_number_of_times(tmp_path: Path) -> None:
    for name in (numbered_name(1, "batch"), numbered_name(2, "event")):
        packer, shipment = opened(tmp_path, write_sealed(tmp_path, events(3), name))
        for item in objects(packer, shipment):
            assert body(item) == body(item)


def test_a_batch_keeps_its_bytes_when_compression_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sealed(tmp_path, events(500), BATCH)
    once = shipped(tmp_path)
    monkeypatch.setattr(batch_body, "_GZIP_LEVEL", 0)
    recover(local(tmp_path))
    assert once == shipped(tmp_path)
    (tmp_path / STAGED).unlink()
    assert once != shipped(tmp_path)


def test_a_batch_is_staged_whole_and_synced_before_it_has_its_name(tmp_path: Path) -> None:
    segment = write_sealed(tmp_path, events(3), BATCH)
    fs = FaultyFileSystem()
    packer = Packer(JournalDirectory(fs, tmp_path))
    objects(packer, packer.open_shipment(segment))
    expected = ["create", "sync", "close", "rename", "sync_directory"]
    assert expected == [call for call in fs.calls if call in expected]


@pytest.mark.parametrize("kind", ["create", "write", "sync", "close", "rename", "sync_directory"])
def test_staging_can_be_retried_after_a_failure(tmp_path: Path, kind: str) -> None:
    segment = write_sealed(tmp_path, events(3), BATCH)
    fs = FaultyFileSystem([Fault(kind, errno=errno.EIO, partial=5)])
    packer = Packer(JournalDirectory(fs, tmp_path))
    with pytest.raises(OSError, match="Input/output error"):
        objects(packer, packer.open_shipment(segment))
    (item,) = objects(packer, packer.open_shipment(segment))
    assert events(3) == gzip.decompress(body(item)).splitlines()
    assert {segment.name.file_name, STAGED} == contents(tmp_path).keys()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("kind", ["create", "write", "sync"])
def test_a_full_disk_does_not_keep_a_batch_from_being_sent(
    tmp_path: Path, kind: str, code: int
) -> None:
    segment = write_sealed(tmp_path, events(3), BATCH)
    fs = FaultyFileSystem([Fault(kind, last=100, errno=code, partial=5)])
    packer = Packer(JournalDirectory(fs, tmp_path))
    (item,) = objects(packer, packer.open_shipment(segment))
    unstaged = body(item)
    assert events(3) == gzip.decompress(unstaged).splitlines()
    assert {segment.name.file_name} == contents(tmp_path).keys()
    fs.faults.clear()
    (again,) = objects(packer, packer.open_shipment(segment))
    assert (item.key, item.size, unstaged) == (again.key, again.size, body(again))


def test_staging_makes_its_directory_if_somebody_removed_it(tmp_path: Path) -> None:
    segment = write_sealed(tmp_path, events(3), BATCH)
    shutil.rmtree((tmp_path / STAGED).parent)
    (raw,) = shipped(tmp_path).values()
    assert events(3) == gzip.decompress(raw).splitlines()
    assert segment.events == 3


def test_a_temporary_file_left_by_a_kill_is_replaced(tmp_path: Path) -> None:
    write_sealed(tmp_path, events(3), BATCH)
    (tmp_path / STAGED).with_suffix(".tmp").write_bytes(b"half")
    recover(local(tmp_path))
    (raw,) = shipped(tmp_path).values()
    assert events(3) == gzip.decompress(raw).splitlines()
    assert STAGED in contents(tmp_path)


def test_a_line_that_is_no_event_is_quarantined_and_costs_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, expected_errors: list[str]
) -> None:
    expected_errors.append("segment is corrupt")
    lines = [event(0), b'{"event_id":"../x"}', event(2)]
    start = HEAD_BYTES + len(lines[0]) + 1
    end = start + len(lines[1]) + 1
    segment = write_sealed(tmp_path, lines)
    raw = (tmp_path / segment.name.file_name).read_bytes()
    packer, shipment = opened(tmp_path, segment)
    assert [lines[0], lines[2]] == [body(item) for item in objects(packer, shipment)]
    assert (2, 1) == (shipment.events, shipment.corrupt_events)
    assert {f"{SEGMENT_ID}.{start}.bad": raw[start:end]} == quarantined(tmp_path)
    causes = [vars(record)["fields"]["cause"] for record in caplog.records]
    assert ["the line is no event with an event_id and a timestamp"] == causes


@pytest.mark.parametrize(("promised", "corrupt"), [(3, 0), (5, 2), (2, 0)])
def test_records_that_are_missing_are_counted(
    tmp_path: Path, expected_errors: list[str], promised: int, corrupt: int
) -> None:
    if promised != 3:
        expected_errors.append("segment is corrupt")
    segment = write_sealed(tmp_path, events(3), promised=promised)
    assert corrupt == opened(tmp_path, segment)[1].corrupt_events


def test_checking_a_corrupt_segment_again_changes_nothing(
    tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("segment is corrupt")
    segment = write_sealed(tmp_path, events(3))
    flip(tmp_path / segment.name.file_name, 0)
    opened(tmp_path, segment)
    once = contents(tmp_path)
    assert len(once) == 2
    opened(tmp_path, segment)
    assert once == contents(tmp_path)


def test_corruption_that_cannot_be_quarantined_stops_the_shipment(tmp_path: Path) -> None:
    segment = write_sealed(tmp_path, events(3))
    flip(tmp_path / segment.name.file_name, 0)
    fs = FaultyFileSystem([Fault("write", errno=errno.ENOSPC)])
    with pytest.raises(OSError, match="No space"):
        Packer(JournalDirectory(fs, tmp_path)).open_shipment(segment)


def test_a_segment_that_was_removed_is_reported(tmp_path: Path) -> None:
    segment = write_sealed(tmp_path, events(3))
    (tmp_path / segment.name.file_name).unlink()
    with pytest.raises(SegmentVanished, match=segment.name.file_name):
        opened(tmp_path, segment)


@pytest.mark.parametrize("name", [BATCH, EVENT])
def test_a_record_that_went_bad_after_the_check_is_not_sent(
    tmp_path: Path, name: SegmentName
) -> None:
    segment = write_sealed(tmp_path, TWO_DAYS, name, each_alone=True)
    packer, shipment = opened(tmp_path, segment)
    start = offsets(TWO_DAYS)[1]
    flip(tmp_path / segment.name.file_name, start + 50)
    with pytest.raises(SegmentUnreadable, match=f"at byte {start}: the checksum of the lines"):
        objects(packer, shipment)
    assert STAGED not in contents(tmp_path)


def test_a_delivered_segment_is_removed_before_its_staged_objects(tmp_path: Path) -> None:
    segment = write_sealed(tmp_path, TWO_DAYS, BATCH)
    fs = FaultyFileSystem()
    packer = Packer(JournalDirectory(fs, tmp_path))
    shipment = packer.open_shipment(segment)
    objects(packer, shipment)
    fs.calls.clear()
    packer.discard(shipment)
    assert fs.calls == ["remove", "sync_directory", "remove", "remove"]
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        (Fault("remove", 1), {BATCH.sealed(3).file_name, STAGED}),
        (Fault("sync_directory", 1), {STAGED}),
        (Fault("remove", 2), {STAGED}),
    ],
)
def test_a_removal_cut_short_never_leaves_a_segment_without_its_staged_objects(
    tmp_path: Path, fault: Fault, left: set[str]
) -> None:
    segment = write_sealed(tmp_path, events(3), BATCH)
    fs = FaultyFileSystem()
    packer = Packer(JournalDirectory(fs, tmp_path))
    shipment = packer.open_shipment(segment)
    objects(packer, shipment)
    fs.calls, fs.faults = [], [fault]
    with pytest.raises(OSError, match="Input/output"):
        packer.discard(shipment)
    assert left == contents(tmp_path).keys()
    packer.discard(shipment)
    assert contents(tmp_path) == {}


def test_compression_uses_the_gzip_container_readers_know(tmp_path: Path) -> None:
    write_sealed(tmp_path, events(3), BATCH)
    (raw,) = shipped(tmp_path).values()
    assert zlib.decompress(raw, wbits=31).splitlines() == events(3)


@pytest.mark.parametrize("days", [1, 2])
@pytest.mark.parametrize("each_alone", [True, False])
def test_packing_lets_others_have_their_turn(tmp_path: Path, days: int, each_alone: bool) -> None:
    lines = [event(n, f"2026-11-{22 + n % days}") for n in range(2000)]
    segment = write_sealed(tmp_path, lines, BATCH, each_alone=each_alone)
    paused: list[None] = []
    packer = Packer(local(tmp_path), pause=lambda: paused.append(None))
    assert days == len(objects(packer, packer.open_shipment(segment)))
    turns = days * segment.size // 50_000
    assert turns >= 2
    assert turns <= len(paused) <= 200


def test_a_segment_that_lost_its_end_after_the_check_is_not_sent(tmp_path: Path) -> None:
    segment = write_sealed(tmp_path, TWO_DAYS, BATCH, each_alone=True)
    packer, shipment = opened(tmp_path, segment)
    last = offsets(TWO_DAYS)[1]
    os.truncate(tmp_path / segment.name.file_name, last)
    with pytest.raises(SegmentUnreadable, match=f"at byte {last}: the head of a record is invalid"):
        objects(packer, shipment)
    assert STAGED not in contents(tmp_path)


def test_a_corrupt_segment_is_batched_without_the_corruption(
    tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("segment is corrupt")
    segment = write_sealed(tmp_path, events(3), BATCH)
    with (tmp_path / segment.name.file_name).open("ab") as file:
        file.write(b"what nobody wrote\n")
    packer, shipment = opened(tmp_path, segment)
    (item,) = objects(packer, shipment)
    assert events(3) == gzip.decompress(body(item)).splitlines()
