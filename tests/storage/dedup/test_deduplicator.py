import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from storage.counters import Counters
from storage.dedup.deduplicator import Deduplicator, load_ids
from storage.dedup.id_log import IdLimits, IdLog, id_digest
from storage.dedup.id_window import IdWindow
from storage.delivery.shipment import Packer
from storage.filesystem import FileSystem, LocalFileSystem
from storage.journal.directory import JournalDirectory
from storage.journal.journal import Journal, JournalLimits
from storage.journal.recovery import recover
from storage.journal.writer import SegmentWriter
from storage.refusals import JournalUnavailable
from tests.storage.faulty import Fault, FaultyFileSystem
from tests.storage.segments import (
    NOW,
    NoShipping,
    delivered_lines,
    event,
    local,
    name_source,
    no_reserve,
    numbered_name,
    sealed_in,
    write_sealed,
)

NEVER_S = 3600.0
LIMITS = IdLimits(86400.0, 10_000)

Scenario = Callable[["Bench"], Awaitable[Any]]


class Bench:
    """A deduplicator over a journal in a directory."""

    def __init__(self, directory: Path, fs: FileSystem) -> None:
        recover(local(directory))
        self.directory = directory
        journal = JournalDirectory(fs, directory)
        self.counters = Counters()
        self.id_log, self.window = (
            IdLog(journal, LIMITS, no_reserve(directory), now=lambda: NOW),
            IdWindow(LIMITS),
        )
        load_ids(journal, self.id_log, self.window)
        names = name_source("batch")
        for _ in sealed_in(directory):
            names()
        self.journal = Journal(
            SegmentWriter(journal, names, self.id_log.record, no_reserve(directory)),
            JournalLimits(NEVER_S, 1 << 20, 1 << 24, seal_when_idle=False),
            NoShipping(),
            self.counters,
        )
        self.dedup = Deduplicator(self.journal, self.window, self.counters)

    def crash(self) -> None:
        """Leave everything as a process that was killed does."""
        self.journal._task.cancel()

    async def send(self, *numbers: int) -> frozenset[int]:
        lines = [event(number) for number in numbers]
        taken = await self.dedup.append(lines, [f"e{number}" for number in numbers])
        return taken.duplicates

    def knows(self, number: int) -> bool:
        return self.window.find(id_digest(f"e{number}")) is not None


@pytest.fixture
def run(io_loop: Any, tmp_path: Path) -> Callable[..., Any]:
    """Run a scenario on a fresh process over the same directory; its journal is closed after."""

    def go(scenario: Scenario, fs: FileSystem | None = None, *, crash: bool = False) -> Any:
        async def call() -> Any:
            bench = Bench(tmp_path, fs or LocalFileSystem())
            result = await scenario(bench)
            if crash:
                bench.crash()
            else:
                await bench.journal.close()
            return result

        return io_loop.run_sync(call)

    return go


def stored(directory: Path) -> list[bytes]:
    recover(local(directory))
    return delivered_lines(directory)


def test_an_id_that_comes_again_is_not_stored_again(run: Any, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> list[frozenset[int]]:
        return [await bench.send(1, 2), await bench.send(2, 3), await bench.send(1)]

    assert run(scenario) == [frozenset(), {0}, {0}]
    assert stored(tmp_path) == [event(1), event(2), event(3)]


def test_an_id_twice_in_one_batch_is_stored_once(run: Any, tmp_path: Path) -> None:
    assert run(lambda bench: bench.send(1, 2, 1, 1)) == {2, 3}
    assert stored(tmp_path) == [event(1), event(2)]


def test_events_whose_clients_gave_no_id_are_all_stored(run: Any, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> list[frozenset[int]]:
        lines = [event(1), event(2), event(1)]
        found = [await bench.dedup.append(lines, [None, "e2", None]) for _ in range(2)]
        return [taken.duplicates for taken in found]

    assert run(scenario) == [frozenset(), {1}]
    assert stored(tmp_path) == [event(1), event(2), event(1), event(1), event(1)]


def test_of_two_at_once_one_is_stored_and_the_other_waits_for_it(run: Any, tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> list[frozenset[int]]:
        known_at_answer = []

        async def send() -> frozenset[int]:
            found = await bench.send(1, 2)
            known_at_answer.append(bench.knows(1) and bench.knows(2))
            return found

        results = await asyncio.gather(send(), send(), send())
        assert known_at_answer == [True, True, True]
        return list(results)

    assert sorted(map(len, run(scenario))) == [0, 2, 2]
    assert stored(tmp_path) == [event(1), event(2)]


def test_a_duplicate_of_what_fails_is_stored_in_its_place_or_refused(
    run: Any, tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("journal cannot be written")

    async def scenario(bench: Bench) -> list[Any]:
        first = await asyncio.gather(bench.send(1), bench.send(1), return_exceptions=True)
        while bench.dedup.refusal() is not None:
            await asyncio.sleep(0.02)
        return [*first, bench.knows(1), await bench.send(1), await bench.send(1)]

    one, other, known, again, duplicate = run(scenario, FaultyFileSystem([Fault("sync", 1)]))
    assert isinstance(one, JournalUnavailable)
    assert isinstance(other, JournalUnavailable)
    assert (known, again, duplicate) == (False, frozenset(), {0})
    assert stored(tmp_path) == [event(1)]


@pytest.mark.parametrize("crash", [False, True], ids=["orderly", "killed"])
def test_the_next_process_knows_what_this_one_stored(run: Any, tmp_path: Path, crash: bool) -> None:
    run(lambda bench: bench.send(1, 2), crash=crash)
    assert run(lambda bench: bench.send(1, 2, 3)) == {0, 1}
    assert sorted(stored(tmp_path)) == [event(1), event(2), event(3)]


def test_ids_outlive_the_delivery_of_their_segment(run: Any, tmp_path: Path) -> None:
    run(lambda bench: bench.send(1), crash=True)
    run(lambda bench: bench.send(2))
    for segment in sealed_in(tmp_path):
        (tmp_path / segment.name.file_name).unlink()
    assert run(lambda bench: bench.send(1, 2, 3)) == {0, 1}


def test_segments_of_before_there_were_ids_count_too(run: Any, tmp_path: Path) -> None:
    segment = write_sealed(tmp_path, [event(1), b"no event", event(2)])
    assert run(lambda bench: bench.send(1, 2, 3)) == {0, 1}
    (tmp_path / segment.name.file_name).unlink()
    assert run(lambda bench: bench.send(1, 2)) == {0, 1}


def test_a_segment_is_not_sealed_before_its_ids_are_kept(
    run: Any, tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("journal cannot be written")
    fs = FaultyFileSystem()

    async def scenario(bench: Bench) -> int:
        await bench.send(1)
        fs.fail("write", times=1)
        await bench.journal.close()
        return len(sealed_in(tmp_path))

    assert run(scenario, fs, crash=True) == 0
    assert run(lambda bench: bench.send(1)) == {0}


def test_ids_that_may_be_in_memory_alone_are_written_again(run: Any, tmp_path: Path) -> None:
    run(lambda bench: bench.send(1))
    fs = FaultyFileSystem()
    run(lambda bench: bench.send(1), fs)
    assert fs.calls.count("write") == 1
    (segment,) = sealed_in(tmp_path)
    (tmp_path / segment.name.file_name).unlink()
    fs.calls.clear()
    assert run(lambda bench: bench.send(1), fs) == {0}
    assert fs.calls.count("write") == 0


def test_ids_written_again_replace_no_file_of_the_same_name(run: Any, tmp_path: Path) -> None:
    async def two_segments(bench: Bench) -> None:
        for number in (1, 2):
            await bench.send(number)
            await asyncio.to_thread(bench.journal._writer.seal)

    run(two_segments)
    for _ in range(3):
        run(lambda bench: bench.send(3), crash=True)
    for segment in sealed_in(tmp_path):
        (tmp_path / segment.name.file_name).unlink()
    assert run(lambda bench: bench.send(1, 2, 3)) == {0, 1, 2}


@pytest.mark.parametrize("works_later", [True, False])
def test_a_segment_whose_ids_are_not_kept_is_not_deleted(
    run: Any, tmp_path: Path, expected_errors: list[str], works_later: bool
) -> None:
    expected_errors.append("event ids cannot be written")
    segment = write_sealed(tmp_path, [event(1)])
    fs = FaultyFileSystem([Fault("write", 1)])

    async def scenario(bench: Bench) -> None:
        packer = Packer(local(tmp_path), bench.id_log.settle)
        shipment = packer.open_shipment(segment)
        if works_later:
            packer.discard(shipment)
            return
        fs.fail("write")
        with pytest.raises(OSError, match="Input/output"):
            packer.discard(shipment)

    run(scenario, fs, crash=True)
    assert (sealed_in(tmp_path) == []) is works_later
    assert run(lambda bench: bench.send(1)) == {0}


def test_a_disk_that_takes_no_ids_does_not_keep_the_server_from_starting(
    run: Any, tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("event ids cannot be written")
    write_sealed(tmp_path, [event(1)])
    fs = FaultyFileSystem([Fault("write", 1)])
    assert run(lambda bench: bench.send(1), fs) == {0}


def test_the_segments_of_all_events_are_told_those_of_duplicates_too(
    run: Any, tmp_path: Path
) -> None:
    async def scenario(bench: Bench) -> None:
        one = await bench.dedup.append([event(1)], ["e1"])
        await asyncio.to_thread(bench.journal._writer.seal)
        two = await bench.dedup.append([event(1), event(2)], ["e1", "e2"])
        again = await bench.dedup.append([event(1)], ["e1"])
        assert [1, 2, 1] == [len(each.segments) for each in (one, two, again)]
        assert one.segments == again.segments < two.segments

    run(scenario)


class Scan:
    """What a start reads of sealed segments whose ids are not known."""

    def __init__(self, directory: Path, max_ids: int) -> None:
        self.fs = FaultyFileSystem()
        journal = JournalDirectory(self.fs, directory)
        limits = IdLimits(86400.0, max_ids)
        recover(local(directory))
        log = IdLog(journal, limits, no_reserve(directory), now=lambda: NOW)
        self.window = IdWindow(limits)
        load_ids(journal, log, self.window)

    @property
    def segments_read(self) -> int:
        return self.fs.calls.count("open_read")

    def known(self, numbers: range) -> int:
        return sum(self.window.find(id_digest(f"e{number}")) is not None for number in numbers)


def unknown_segments(directory: Path, count: int) -> None:
    for number in range(count):
        lines = [event(each) for each in range(100 * number, 100 * number + 100)]
        write_sealed(directory, lines, numbered_name(number + 1))


@pytest.mark.parametrize(("max_ids", "expected"), [(199, 2), (200, 2), (201, 3), (800, 6)])
def test_of_a_long_backlog_the_newest_segments_are_read(
    tmp_path: Path, max_ids: int, expected: int
) -> None:
    unknown_segments(tmp_path, 6)
    scan = Scan(tmp_path, max_ids)
    assert expected == scan.segments_read
    newest = range(600 - max_ids * 7 // 8, 600) if max_ids < 600 else range(600)
    assert len(newest) == scan.known(newest)


def test_ids_that_are_known_count_too(tmp_path: Path) -> None:
    unknown_segments(tmp_path, 4)
    Scan(tmp_path, 800)
    for number in (3, 4):
        (tmp_path / numbered_name(number, count=100).file_name).unlink()
    for path in (tmp_path / "ids").iterdir():
        raw = path.read_bytes()
        path.write_bytes(raw[raw.index(numbered_name(3).id.encode()) :])
    assert (2 + 1, 1 + 1) == (Scan(tmp_path, 400).segments_read, Scan(tmp_path, 200).segments_read)
