import errno
import threading
import time
from pathlib import Path

import pytest

from storage.dedup.identity import IDENTITY_BYTES
from storage.journal.directory import JournalDirectory
from storage.journal.recovery import recover
from storage.journal.reserve import Reserve, sealing_bytes
from storage.journal.writer import SegmentWriter
from tests.storage.segments import delivered_lines, events, name_source, no_ids
from tests.support.failing_filesystem import FaultyFileSystem

SIZE = 3_000_000


class Bench:
    """A reserve, and a disk that is full as long as the reserve takes its space."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "reserve"
        self.fs = FaultyFileSystem()
        self.reserve = Reserve(JournalDirectory(self.fs, directory), SIZE)
        self.tries = 0

    def step(self) -> None:
        self.tries += 1
        if self.path.exists():
            raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_held_reserve_is_written_and_synced(bench: Bench) -> None:
    bench.reserve.hold()
    assert bench.path.stat().st_size == SIZE
    assert bench.path.stat().st_blocks * 512 >= SIZE
    assert bench.fs.calls[-2:] == ["sync", "close"]
    bench.fs.calls.clear()
    bench.reserve.hold()
    assert bench.fs.calls == []


def test_a_reserve_of_an_earlier_process_is_taken_over(bench: Bench) -> None:
    bench.reserve.hold()
    bench.fs.calls.clear()
    Reserve(JournalDirectory(bench.fs, bench.directory), SIZE).hold()
    assert bench.fs.calls == ["open_read"]


@pytest.mark.parametrize("left", [b"", b"cut short", bytes(SIZE + 1)])
def test_a_reserve_of_another_size_is_made_anew(bench: Bench, left: bytes) -> None:
    bench.path.write_bytes(left)
    bench.reserve.hold()
    assert bench.path.stat().st_size == SIZE


def test_a_symbolic_link_is_no_reserve(bench: Bench) -> None:
    other = bench.path.with_name("other")
    other.write_bytes(bytes(SIZE))
    bench.path.symlink_to(other)
    bench.reserve.hold()
    assert not bench.path.is_symlink()
    assert SIZE == bench.path.stat().st_size
    assert other.exists()


@pytest.mark.parametrize("kind", ["create", "write", "sync"])
def test_a_reserve_without_room_leaves_no_file_and_can_be_retried(bench: Bench, kind: str) -> None:
    bench.fs.fail(kind, code=errno.ENOSPC, partial=1000)
    with pytest.raises(OSError, match="No space"):
        bench.reserve.hold()
    assert not bench.path.exists()
    bench.reserve.hold()
    assert bench.path.stat().st_size == SIZE


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_step_that_finds_the_disk_full_has_the_reserve(bench: Bench, code: int) -> None:
    bench.reserve.hold()
    bench.reserve.spend(bench.step)
    assert bench.tries == 2
    assert not bench.path.exists()


def test_a_spent_reserve_has_to_be_held_again(bench: Bench) -> None:
    bench.reserve.hold()
    bench.reserve.spend(bench.step)
    bench.reserve.hold()
    assert bench.path.stat().st_size == SIZE


def test_a_step_that_works_costs_no_reserve(bench: Bench) -> None:
    bench.reserve.spend(bench.step)
    bench.reserve.hold()
    assert (bench.tries, bench.path.exists()) == (1, True)


def test_another_error_does_not_spend_the_reserve(bench: Bench) -> None:
    bench.reserve.hold()

    def broken() -> None:
        bench.tries += 1
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        bench.reserve.spend(broken)
    assert (bench.tries, bench.path.exists()) == (1, True)


def test_the_reserve_has_room_for_the_ids_of_the_smallest_events() -> None:
    smallest = (
        b'00000000 {"event_id":"a","event_type":"c","timestamp":"2026-11-23T17:30:00.000Z",'
        b'"received_at":"2026-11-23T17:30:00.000Z","ip_address":"::1"}\n'
    )
    for segment in (64 << 10, 8 << 20, 1 << 30):
        assert segment / len(smallest) * IDENTITY_BYTES < sealing_bytes(segment)


def test_a_segment_is_sealed_on_a_full_disk_and_none_begun(tmp_path: Path) -> None:
    fs = FaultyFileSystem()
    directory = JournalDirectory(fs, tmp_path)
    recover(directory)
    reserve = Reserve(directory, SIZE)
    writer = SegmentWriter(directory, name_source(), no_ids, reserve)
    writer.append(events(3))
    assert (tmp_path / "reserve").stat().st_size == SIZE
    fs.fail("rename", code=errno.ENOSPC)
    writer.seal()
    assert [3] == [each.events for each in writer.take_sealed()]
    assert not (tmp_path / "reserve").exists()
    fs.fail("write", code=errno.ENOSPC, times=2)
    for _ in range(2):
        with pytest.raises(OSError, match="No space"):
            writer.append(events(3))
        assert [] == list(tmp_path.glob("*.open"))
    assert delivered_lines(tmp_path) == events(3)
    writer.repair()
    writer.append(events(6)[3:])
    assert (tmp_path / "reserve").stat().st_size == SIZE


def test_steps_of_several_threads_run_one_at_a_time(bench: Bench) -> None:
    active: list[int] = []
    most_at_once: list[int] = []

    def step() -> None:
        active.append(1)
        most_at_once.append(len(active))
        time.sleep(0.001)
        active.pop()

    threads = [threading.Thread(target=bench.reserve.spend, args=[step]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [1] * 8 == most_at_once
