import errno
from collections.abc import Sequence
from pathlib import Path

import pytest

from storage.journal.directory import JournalDirectory
from storage.journal.record import encode
from storage.journal.recovery import recover
from storage.journal.writer import SegmentWriter
from tests.storage.segments import (
    contents,
    delivered_lines,
    events,
    local,
    name_source,
    no_ids,
    no_reserve,
    numbered_name,
    sealed_in,
)
from tests.support.failing_filesystem import FaultyFileSystem

FIRST, FAILED, LATER = events(3), events(9)[3:6], events(9)[6:]


class Bench:
    """A writer over a file system whose calls a test lets fail."""

    def __init__(self, directory: Path) -> None:
        recover(local(directory))
        self.directory = directory
        self.fs = FaultyFileSystem()
        self.writer = SegmentWriter(
            JournalDirectory(self.fs, directory),
            name_source("batch"),
            no_ids,
            no_reserve(directory),
        )

    def refused(self, lines: Sequence[bytes]) -> int | None:
        with pytest.raises(OSError, match=r"\[Errno") as caught:
            self.writer.append(lines)
        return caught.value.errno

    def handed_over(self) -> list[tuple[str, int]]:
        return [(each.name.file_name, each.size) for each in self.writer.take_sealed()]

    def delivered_after_restart(self) -> list[bytes]:
        recover(local(self.directory))
        return delivered_lines(self.directory)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def size_of(lines: Sequence[bytes], number: int = 1) -> int:
    return len(encode(lines, numbered_name(number).checksum_seed))


def test_no_file_is_made_before_the_first_event(bench: Bench) -> None:
    bench.writer.seal()
    assert contents(bench.directory) == {}
    assert (bench.writer.size, bench.writer.events) == (0, 0)
    assert bench.writer.open_since is None


def test_appended_events_are_in_the_open_segment(bench: Bench) -> None:
    bench.writer.append(FIRST)
    bench.writer.append(LATER)
    name = numbered_name(1, "batch")
    records = encode(FIRST, name.checksum_seed) + encode(LATER, name.checksum_seed)
    expected = {name.file_name: records}
    assert expected == contents(bench.directory)
    assert (bench.writer.size, bench.writer.events) == (len(records), 6)
    assert bench.writer.open_since == name.created_at


def test_the_directory_is_synced_only_for_the_first_group(bench: Bench) -> None:
    bench.writer.append(FIRST)
    bench.writer.append(LATER)
    expected = ["create", "write", "sync", "sync_directory", "write", "sync"]
    assert expected == bench.fs.calls


def test_sealing_renames_syncs_and_hands_over_once(bench: Bench) -> None:
    bench.writer.append(FIRST)
    bench.fs.calls.clear()
    bench.writer.seal()
    assert bench.fs.calls == ["close", "rename", "sync_directory"]
    name = numbered_name(1, "batch", 3)
    assert [(name.file_name, size_of(FIRST))] == bench.handed_over()
    assert bench.handed_over() == []
    assert {name.file_name} == contents(bench.directory).keys()
    assert (bench.writer.size, bench.writer.events) == (0, 0)


def test_the_next_append_after_sealing_begins_a_segment(bench: Bench) -> None:
    for lines in (FIRST, LATER):
        bench.writer.append(lines)
        bench.writer.seal()
    expected = [numbered_name(number, "batch", 3) for number in (1, 2)]
    assert expected == [segment.name for segment in sealed_in(bench.directory)]
    assert bench.delivered_after_restart() == FIRST + LATER


@pytest.mark.parametrize(
    ("kind", "code", "partial"),
    [
        ("write", errno.ENOSPC, 0),
        ("write", errno.ENOSPC, 1),
        ("write", errno.EIO, 70),
        ("write", errno.EDQUOT, 10_000),
        ("sync", errno.EIO, 0),
        ("sync", errno.ENOSPC, 0),
    ],
)
def test_a_failed_group_is_cut_off_and_durable_events_stay(
    bench: Bench, kind: str, code: int, partial: int
) -> None:
    bench.writer.append(FIRST)
    bench.fs.fail(kind, code=code, partial=partial)
    assert bench.refused(FAILED) == code
    expected = [(numbered_name(1, "batch", 3).file_name, size_of(FIRST))]
    assert expected == bench.handed_over()
    assert bench.delivered_after_restart() == FIRST


@pytest.mark.parametrize("kind", ["create", "write", "sync", "sync_directory"])
def test_a_first_group_that_fails_leaves_nothing(bench: Bench, kind: str) -> None:
    bench.fs.fail(kind, partial=10_000)
    assert bench.refused(FAILED) == errno.EIO
    assert contents(bench.directory) == {}
    assert bench.handed_over() == []
    assert (bench.writer.size, bench.writer.events) == (0, 0)


@pytest.mark.parametrize("kind", ["write", "sync"])
def test_the_next_append_after_a_failure_goes_to_a_new_segment(bench: Bench, kind: str) -> None:
    bench.writer.append(FIRST)
    bench.fs.fail(kind, partial=10_000)
    bench.refused(FAILED)
    bench.writer.append(LATER)
    bench.writer.seal()
    expected = [numbered_name(number, "batch", 3) for number in (1, 2)]
    assert expected == [segment.name for segment in sealed_in(bench.directory)]
    assert bench.delivered_after_restart() == FIRST + LATER


@pytest.mark.parametrize("refuses", ["truncate", "sync", "close", "rename"])
def test_a_segment_that_cannot_be_cut_waits_for_repair(bench: Bench, refuses: str) -> None:
    bench.writer.append(FIRST)
    bench.fs.fail("write", partial=10_000)
    bench.fs.fail(refuses, times=3)
    assert bench.refused(FAILED) == errno.EIO
    assert bench.handed_over() == []
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            bench.writer.repair()
        assert bench.handed_over() == []
    bench.writer.repair()
    assert [(numbered_name(1, "batch", 3).file_name, size_of(FIRST))] == bench.handed_over()
    bench.writer.append(LATER)
    assert bench.delivered_after_restart() == FIRST + LATER


def test_a_first_group_that_cannot_be_cut_is_removed_by_repair(bench: Bench) -> None:
    bench.fs.fail("sync", times=2)
    bench.refused(FAILED)
    assert len(contents(bench.directory)) == 1
    bench.writer.repair()
    assert contents(bench.directory) == {}
    assert bench.handed_over() == []


def test_several_distrusted_segments_are_all_repaired(bench: Bench) -> None:
    for lines in (FIRST, LATER):
        bench.writer.append(lines)
        bench.fs.fail("write", partial=10_000)
        bench.fs.fail("truncate")
        bench.refused(FAILED)
    bench.writer.repair()
    assert {numbered_name(number, "batch", 3).file_name for number in (1, 2)} == {
        file_name for file_name, _ in bench.handed_over()
    }
    assert bench.delivered_after_restart() == FIRST + LATER


@pytest.mark.parametrize("refuses", ["close", "rename"])
def test_a_segment_that_cannot_be_sealed_keeps_its_events(bench: Bench, refuses: str) -> None:
    bench.writer.append(FIRST)
    bench.fs.fail(refuses)
    with pytest.raises(OSError, match="Input/output"):
        bench.writer.seal()
    assert bench.handed_over() == []
    assert (bench.writer.size, bench.writer.events) == (0, 0)
    bench.writer.append(LATER)
    bench.writer.repair()
    assert [(numbered_name(1, "batch", 3).file_name, size_of(FIRST))] == bench.handed_over()
    assert bench.delivered_after_restart() == FIRST + LATER


def test_a_segment_that_was_never_repaired_is_sealed_at_the_next_start(bench: Bench) -> None:
    bench.writer.append(FIRST)
    bench.fs.fail("rename")
    with pytest.raises(OSError, match="Input/output"):
        bench.writer.seal()
    assert bench.delivered_after_restart() == FIRST


def test_a_segment_is_handed_over_even_if_the_directory_cannot_be_synced(
    bench: Bench,
) -> None:
    bench.writer.append(FIRST)
    bench.fs.fail("sync_directory")
    with pytest.raises(OSError, match="Input/output"):
        bench.writer.seal()
    assert [(numbered_name(1, "batch", 3).file_name, size_of(FIRST))] == bench.handed_over()
    assert bench.delivered_after_restart() == FIRST


@pytest.mark.parametrize("kind", ["create", "write", "sync", "sync_directory"])
def test_repair_fails_while_the_disk_does(bench: Bench, kind: str) -> None:
    bench.fs.fail(kind, code=errno.ENOSPC)
    with pytest.raises(OSError, match="No space"):
        bench.writer.repair()
    bench.writer.repair()
    assert contents(bench.directory) == {}


def test_a_probe_that_was_left_behind_does_not_stop_repair(bench: Bench) -> None:
    (bench.directory / "probe").write_bytes(b"left")
    bench.writer.repair()
    assert contents(bench.directory) == {}


def test_a_line_that_cannot_be_written_costs_no_durable_event(bench: Bench) -> None:
    bench.writer.append(FIRST)
    with pytest.raises(TypeError):
        bench.writer.append([*FAILED, "no bytes"])  # type: ignore[list-item]
    assert bench.writer.events == 0
    bench.writer.append(LATER)
    assert bench.delivered_after_restart() == FIRST + LATER


def test_nothing_is_acknowledged_in_a_removed_segment(
    bench: Bench, expected_errors: list[str]
) -> None:
    bench.writer.append(FIRST)
    (path,) = bench.directory.glob("*.open")
    path.unlink()
    assert errno.ENOENT == bench.refused(FAILED)
    expected_errors.append("segment was removed before it was sealed")
    bench.writer.repair()
    bench.writer.append(LATER)
    bench.writer.seal()
    assert LATER == bench.delivered_after_restart()


def test_ids_are_recorded_once_for_a_segment_however_often_sealing_fails(tmp_path: Path) -> None:
    recorded = []
    fs = FaultyFileSystem()
    writer = SegmentWriter(
        JournalDirectory(fs, tmp_path),
        name_source(),
        lambda segment_id, digests: recorded.append((segment_id, digests)),
        no_reserve(tmp_path),
    )
    writer.append(FIRST, b"one")
    writer.append(LATER, b"two")
    fs.fail("rename", times=3)
    for step in (writer.seal, writer.repair, writer.repair):
        with pytest.raises(OSError, match="Input/output"):
            step()
    writer.repair()
    assert [(numbered_name(1).id, b"onetwo")] == recorded
