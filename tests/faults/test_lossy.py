"""The guarantees of the file system in memory, and the states after a crash."""

import errno
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.lossy import LossyFileSystem
from tests.support.fault_policies import Crash

DIRECTORY = Path("/d")
A, B = DIRECTORY / "a", DIRECTORY / "b"

Script = Callable[[LossyFileSystem], None]


def outcomes(script: Script, *, power_cut: bool = True) -> set[tuple[tuple[str, bytes], ...]]:
    """Return every state, files by name, in which 300 crashes after a script left the disk."""
    found = set()
    for seed in range(300):
        fs = LossyFileSystem(random.Random(seed))
        fs.make_directory(DIRECTORY)
        script(fs)
        after = fs.after_power_cut() if power_cut else fs.after_kill()
        names = sorted(name for name, _ in after.entries(DIRECTORY))
        found.add(tuple((name, after.open_read(DIRECTORY / name).read()) for name in names))
    return found


def write_durable(fs: LossyFileSystem) -> None:
    file = fs.create(A)
    file.write(b"durable")
    file.sync()
    fs.sync_directory(DIRECTORY)


def test_data_synced_with_its_entry_survives() -> None:
    assert {(("a", b"durable"),)} == outcomes(write_durable)


def test_a_file_without_a_synced_entry_may_be_gone() -> None:
    def script(fs: LossyFileSystem) -> None:
        file = fs.create(A)
        file.write(b"x")
        file.sync()

    assert {(), (("a", b"x"),)} == outcomes(script)


def test_unsynced_data_may_be_there_in_part_or_as_zeros() -> None:
    def script(fs: LossyFileSystem) -> None:
        write_durable(fs)
        fs.reopen(A).write(b"12")

    found = {after[0][1] for after in outcomes(script)}
    assert {b"durable", b"durable1", b"durable12", b"durable\0\0"} <= found
    assert [] == [content for content in found if not content.startswith(b"durable")]


def test_blocks_of_a_deleted_file_may_appear_in_a_new_one() -> None:
    def script(fs: LossyFileSystem) -> None:
        write_durable(fs)
        fs.remove(A)
        fs.create(B).write(b"_______")
        fs.sync_directory(DIRECTORY)

    assert (("b", b"durable"),) in outcomes(script)


def test_an_unsynced_rename_happened_or_did_not() -> None:
    def script(fs: LossyFileSystem) -> None:
        write_durable(fs)
        fs.rename(A, B)

    assert {(("a", b"durable"),), (("b", b"durable"),)} == outcomes(script)


def test_unsynced_changes_of_a_directory_may_be_lost_in_any_order() -> None:
    def script(fs: LossyFileSystem) -> None:
        for path in (A, B):
            fs.create(path).sync()

    names = {tuple(name for name, _ in after) for after in outcomes(script)}
    assert {(), ("a",), ("b",), ("a", "b")} == names


def test_unsynced_truncation_may_be_undone() -> None:
    def script(fs: LossyFileSystem) -> None:
        write_durable(fs)
        fs.reopen(A).truncate(3)

    found = {after[0][1] for after in outcomes(script)}
    assert {b"dur", b"durable"} <= found


def test_a_later_sync_does_not_bring_back_what_a_failed_one_dropped() -> None:
    def script(fs: LossyFileSystem) -> None:
        write_durable(fs)
        file = fs.reopen(A)
        file.write(b"12")
        fs.faults.failure_rate = 1.0
        with pytest.raises(OSError, match=r"\[Errno"):
            file.sync()
        fs.faults.failure_rate = 0.0
        file.write(b"3")
        file.sync()
        assert fs.open_read(A).read() == b"durable123"

    assert {(("a", b"durable\0\0003"),)} == outcomes(script)


def test_a_kill_loses_no_written_data_and_makes_none_durable() -> None:
    def script(fs: LossyFileSystem) -> None:
        fs.create(A).write(b"x")

    assert {(("a", b"x"),)} == outcomes(script, power_cut=False)
    fs = LossyFileSystem(random.Random(1))
    fs.make_directory(DIRECTORY)
    script(fs)
    left = [fs.after_kill().after_power_cut() for _ in range(100)]
    assert {True, False} == {bool(after.disk.directories[DIRECTORY].seen) for after in left}


def test_no_call_works_after_the_one_at_which_the_process_ends() -> None:
    fs = LossyFileSystem(random.Random(0))
    fs.make_directory(DIRECTORY)
    fs.faults.stop_at = fs.faults.calls + 2
    fs.create(A)
    for call in (fs.sync_directory, fs.entries, fs.make_directory):
        with pytest.raises(Crash):
            call(DIRECTORY)
    assert set(fs.after_kill().disk.directories[DIRECTORY].seen) == {"a"}


def test_a_write_that_finds_no_room_writes_any_part_of_its_data() -> None:
    lengths = set()
    for seed in range(100):
        fs = LossyFileSystem(random.Random(seed))
        fs.make_directory(DIRECTORY)
        fs.faults.free_bytes = 3
        file = fs.create(A)
        with pytest.raises(OSError, match="No space") as caught:
            file.write(b"1234")
        assert caught.value.errno == errno.ENOSPC
        lengths.add(len(fs.open_read(A).read()))
    assert {0, 1, 2, 3, 4} == lengths
