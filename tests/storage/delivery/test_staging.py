"""Staging: one reading checks and stages a segment of one day, with the same objects as two."""

import errno
import gzip
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.delivery import layout
from storage.delivery.shipment import Packer, Shipment
from storage.delivery.staging import Staging
from storage.journal.directory import JournalDirectory
from storage.journal.segment import SealedSegment
from tests.storage.segments import contents, flip, local, numbered_name, shipped, write_sealed
from tests.support.failing_filesystem import FaultyFileSystem
from tests.support.fault_policies import Fault

BATCH = numbered_name(1, "batch")
ONE, OTHER = "2026-11-23", "2026-11-22"


def line(number: int, day: str = ONE, more: str = "") -> bytes:
    stamp = f"{day}T17:30:00.000Z"
    return f'{{"event_id":"e{number}","event_type":"c","timestamp":"{stamp}"{more}}}'.encode()


def lines(count: int) -> list[bytes]:
    return [line(number) for number in range(count)]


def test_the_check_stages_the_first_of_several_days(tmp_path: Path) -> None:
    written = [line(0), line(1, OTHER), line(2)]
    segment = write_sealed(tmp_path, written, BATCH)
    shipment = opened(tmp_path, segment)
    assert ([OTHER, ONE], 3) == (sorted(shipment.days), shipment.events)
    (staged,) = staged_files(tmp_path)
    assert f"staged/{BATCH.id}.{ONE}.ndjson.gz" == staged
    assert [written[0], written[2]] == gzip.decompress(
        (tmp_path / staged).read_bytes()
    ).splitlines()


def nested(day: str) -> str:
    return f',"properties":{{"timestamp":"{day}T00:00:00.000Z"}}'


def test_a_segment_of_one_day_is_read_once(tmp_path: Path) -> None:
    segment = write_sealed(tmp_path, lines(600), BATCH)
    fs = FaultyFileSystem()
    packer = Packer(JournalDirectory(fs, tmp_path))
    shipment = packer.open_shipment(segment)
    (plan,) = shipment.plans()
    item = packer.pack(shipment, plan)
    with item.open() as body:
        assert lines(600) == gzip.decompress(body.read()).splitlines()
    assert (600, 0, ONE) == (shipment.events, shipment.corrupt_events, plan.day)
    # The segment; whether it is staged, before and after; the body.
    assert 4 == fs.calls.count("open_read")


EVENTS = st.lists(
    st.builds(
        line,
        st.integers(0, 99),
        st.sampled_from([ONE, ONE, ONE, OTHER]),
        st.sampled_from(["", "", nested(ONE), nested(OTHER), ',"own":1']),
    ),
    min_size=1,
    max_size=200,
)


@settings(max_examples=50)
@given(EVENTS)
def test_objects_are_the_same_whether_staged_or_made_in_memory(written: list[bytes]) -> None:
    days = {json.loads(each)["timestamp"][:10] for each in written}
    full = FaultyFileSystem([Fault("create", last=1000, errno=errno.ENOSPC)])
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        for directory in (one, two):
            write_sealed(Path(directory), written, BATCH)
        found = shipped(Path(one))
        assert shipped(Path(two), full) == found
    assert {
        layout.batch_key("events", day, BATCH.id): [
            each for each in written if json.loads(each)["timestamp"].startswith(day)
        ]
        for day in days
    } == {key: gzip.decompress(body).splitlines() for key, body in found.items()}


def opened(directory: Path, segment: SealedSegment) -> Shipment:
    return Packer(local(directory)).open_shipment(segment)


def staged_files(directory: Path) -> set[str]:
    return {name for name in contents(directory) if name.startswith("staged/")}


@pytest.mark.parametrize("at", [0, 599])
def test_corruption_is_reported_and_the_rest_delivered(
    tmp_path: Path, expected_errors: list[str], at: int
) -> None:
    expected_errors.append("segment is corrupt")
    segment = write_sealed(tmp_path, lines(600), BATCH)
    raw = (tmp_path / segment.name.file_name).read_bytes()
    flip(tmp_path / segment.name.file_name, raw.index(b'"e%d"' % at))
    shipment = opened(tmp_path, segment)
    lost = 64 if at == 0 else 600 % 64
    assert (600 - lost, lost) == (shipment.events, shipment.corrupt_events)
    assert set() == staged_files(tmp_path)


def test_missing_records_are_corruption(tmp_path: Path, expected_errors: list[str]) -> None:
    expected_errors.append("segment is corrupt")
    segment = write_sealed(tmp_path, lines(599), BATCH, promised=600)
    assert 1 == opened(tmp_path, segment).corrupt_events
    assert set() == staged_files(tmp_path)


def test_on_a_full_disk_the_object_is_made_in_memory(tmp_path: Path) -> None:
    segment = write_sealed(tmp_path, lines(600), BATCH)
    fs = FaultyFileSystem([Fault("write", n, errno=errno.ENOSPC) for n in (1, 2)])
    packer = Packer(JournalDirectory(fs, tmp_path))
    shipment = packer.open_shipment(segment)
    (plan,) = shipment.plans()
    with packer.pack(shipment, plan).open() as body:
        assert lines(600) == gzip.decompress(body.read()).splitlines()
    assert set() == staged_files(tmp_path)


def test_an_object_that_is_already_staged_is_kept(tmp_path: Path) -> None:
    segment = write_sealed(tmp_path, lines(3), BATCH)
    staged = tmp_path / "staged" / f"{BATCH.id}.{ONE}.ndjson.gz"
    staged.write_bytes(b"by another version of zlib")
    shipment = opened(tmp_path, segment)
    assert (3, b"by another version of zlib") == (shipment.events, staged.read_bytes())


def test_lines_that_cannot_be_read_leave_nothing_staged(tmp_path: Path) -> None:
    write_sealed(tmp_path, lines(1), BATCH)

    def failing() -> Iterator[bytes]:
        yield line(0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Staging(local(tmp_path)).write(BATCH, ONE, failing())
    assert set() == staged_files(tmp_path)
