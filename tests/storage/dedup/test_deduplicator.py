import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from storage.counters import Counters
from storage.dedup.deduplicator import Deduplicator, Durable, load_ids
from storage.dedup.id_log import IdLimits, IdLog
from storage.dedup.id_window import IdWindow
from storage.dedup.identity import conflict_id, conflict_line, fingerprints, kept_identity
from storage.delivery.shipment import Packer
from storage.filesystem import FileSystem, LocalFileSystem
from storage.journal.directory import JournalDirectory
from storage.journal.journal import Journal
from storage.journal.limits import JournalLimits
from storage.journal.recovery import recover
from storage.journal.writer import SegmentWriter
from storage.refusals import JournalUnavailable
from tests.storage.segments import (
    NAME,
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
from tests.support.failing_filesystem import FaultyFileSystem
from tests.support.fault_policies import Fault
from tests.support.waiting import until

NEVER_S = 3600.0
LIMITS = IdLimits(86400.0, 10_000)


class Bench:
    """A deduplicator over a journal in a directory."""

    def __init__(self, directory: Path, fs: FileSystem) -> None:
        recover(local(directory))
        self.directory = directory
        journal = JournalDirectory(fs, directory)
        self.counters = Counters()
        self.id_log = IdLog(journal, LIMITS, no_reserve(directory), now=lambda: NOW)
        self.window = IdWindow(LIMITS)
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
        return self.window.find(*kept_identity(event(number))) is not None


@asynccontextmanager
async def process(
    directory: Path, fs: FileSystem | None = None, *, crash: bool = False
) -> AsyncIterator[Bench]:
    """Yield a new process over a directory; it ends in order, or as if it were killed."""
    bench = Bench(directory, fs or LocalFileSystem())
    yield bench
    if crash:
        bench.crash()
    else:
        await bench.journal.close()


async def sent(directory: Path, *numbers: int, crash: bool = False) -> frozenset[int]:
    """Send events to a new process, and return the indexes of duplicates."""
    async with process(directory, crash=crash) as p:
        return await p.send(*numbers)


def stored(directory: Path) -> list[bytes]:
    recover(local(directory))
    return delivered_lines(directory)


def remove_segments(directory: Path) -> None:
    """Remove the sealed segments, as delivery does."""
    for segment in sealed_in(directory):
        (directory / segment.name.file_name).unlink()


async def test_an_event_with_a_repeated_id_is_a_duplicate(tmp_path: Path) -> None:
    async with process(tmp_path) as p:
        found = [await p.send(1, 2), await p.send(2, 3), await p.send(1)]
    assert [frozenset(), {0}, {0}] == found
    assert [event(1), event(2), event(3)] == stored(tmp_path)


async def test_an_id_that_is_repeated_in_one_batch_is_stored_once(tmp_path: Path) -> None:
    assert {2, 3} == await sent(tmp_path, 1, 2, 1, 1)
    assert [event(1), event(2)] == stored(tmp_path)


async def test_events_without_a_client_id_are_no_duplicates(tmp_path: Path) -> None:
    async with process(tmp_path) as p:
        lines = [event(1), event(2), event(1)]
        found = [await p.dedup.append(lines, [None, "e2", None]) for _ in range(2)]
    assert [frozenset(), {1}] == [each.duplicates for each in found]
    assert [event(1), event(2), event(1), event(1), event(1)] == stored(tmp_path)


async def test_concurrent_requests_with_one_event_all_wait_until_one_has_made_it_durable(
    tmp_path: Path,
) -> None:
    async with process(tmp_path) as p:

        async def send() -> frozenset[int]:
            found = await p.send(1, 2)
            assert [] == [number for number in (1, 2) if not p.knows(number)]
            return found

        results = await asyncio.gather(send(), send(), send())
    assert [0, 2, 2] == sorted(map(len, results))
    assert [event(1), event(2)] == stored(tmp_path)


async def test_a_duplicate_of_an_event_that_fails_is_no_success(
    tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("journal cannot be written")
    async with process(tmp_path, FaultyFileSystem([Fault("sync", 1)])) as p:
        one, other = await asyncio.gather(p.send(1), p.send(1), return_exceptions=True)
        assert isinstance(one, JournalUnavailable)
        assert isinstance(other, JournalUnavailable)
        await until(lambda: p.dedup.refusal() is None)
        assert not p.knows(1)
        assert [frozenset(), {0}] == [await p.send(1), await p.send(1)]
    assert [event(1)] == stored(tmp_path)


@pytest.mark.parametrize("crash", [False, True], ids=["orderly", "killed"])
async def test_the_next_process_knows_the_ids_of_this_one(tmp_path: Path, crash: bool) -> None:
    await sent(tmp_path, 1, 2, crash=crash)
    assert {0, 1} == await sent(tmp_path, 1, 2, 3)
    assert [event(1), event(2), event(3)] == sorted(stored(tmp_path))


async def test_ids_outlive_the_delivery_of_their_segment(tmp_path: Path) -> None:
    await sent(tmp_path, 1, crash=True)
    await sent(tmp_path, 2)
    remove_segments(tmp_path)
    assert {0, 1} == await sent(tmp_path, 1, 2, 3)


async def test_ids_of_segments_that_are_not_in_the_log_are_read_from_their_records(
    tmp_path: Path,
) -> None:
    write_sealed(tmp_path, [event(1), b"no event", event(2)])
    assert {0, 1} == await sent(tmp_path, 1, 2, 3)
    (tmp_path / NAME.sealed(3).file_name).unlink()
    assert {0, 1} == await sent(tmp_path, 1, 2)


async def test_a_segment_is_not_sealed_before_its_ids_are_durable(
    tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("journal cannot be written")
    fs = FaultyFileSystem()
    async with process(tmp_path, fs, crash=True) as p:
        await p.send(1)
        fs.fail("write", times=1)
        await p.journal.close()
        assert [] == sealed_in(tmp_path)
    assert {0} == await sent(tmp_path, 1)


async def test_ids_that_may_not_be_durable_are_rewritten(tmp_path: Path) -> None:
    await sent(tmp_path, 1)
    fs = FaultyFileSystem()
    async with process(tmp_path, fs) as p:
        await p.send(1)
    assert 1 == fs.calls.count("write")
    remove_segments(tmp_path)
    fs.calls.clear()
    async with process(tmp_path, fs) as p:
        assert {0} == await p.send(1)
    assert 0 == fs.calls.count("write")


async def test_rewritten_ids_replace_no_file_of_the_same_name(tmp_path: Path) -> None:
    async with process(tmp_path) as p:
        for number in (1, 2):
            await p.send(number)
            await asyncio.to_thread(p.journal._writer.seal)
    for _ in range(3):
        await sent(tmp_path, 3, crash=True)
    remove_segments(tmp_path)
    assert {0, 1, 2} == await sent(tmp_path, 1, 2, 3)


@pytest.mark.parametrize("works_later", [True, False])
async def test_a_segment_whose_ids_are_not_durable_is_not_deleted(
    tmp_path: Path, expected_errors: list[str], works_later: bool
) -> None:
    expected_errors.append("event ids cannot be written")
    segment = write_sealed(tmp_path, [event(1)])
    fs = FaultyFileSystem([Fault("write", 1)])
    async with process(tmp_path, fs, crash=True) as p:
        packer = Packer(local(tmp_path), p.id_log.settle)
        shipment = packer.open_shipment(segment)
        if works_later:
            packer.discard(shipment)
        else:
            fs.fail("write")
            with pytest.raises(OSError, match="Input/output"):
                packer.discard(shipment)
    assert ([] == sealed_in(tmp_path)) is works_later
    assert {0} == await sent(tmp_path, 1)


async def test_a_disk_that_refuses_the_ids_does_not_keep_the_server_from_starting(
    tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("event ids cannot be written")
    write_sealed(tmp_path, [event(1)])
    async with process(tmp_path, FaultyFileSystem([Fault("write", 1)])) as p:
        assert {0} == await p.send(1)


async def test_the_segments_of_all_events_are_returned_duplicates_included(
    tmp_path: Path,
) -> None:
    async with process(tmp_path) as p:
        one = await p.dedup.append([event(1)], ["e1"])
        await asyncio.to_thread(p.journal._writer.seal)
        two = await p.dedup.append([event(1), event(2)], ["e1", "e2"])
        again = await p.dedup.append([event(1)], ["e1"])
    assert [1, 2, 1] == [len(each.segments) for each in (one, two, again)]
    assert one.segments == again.segments < two.segments


class Scan:
    """A start of a process: the segments that it reads, and the ids that it knows then."""

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
        found = (self.window.find(*kept_identity(event(number))) for number in numbers)
        return sum(each is not None for each in found)


def unknown_segments(directory: Path, count: int) -> None:
    for number in range(count):
        lines = [event(each) for each in range(100 * number, 100 * number + 100)]
        write_sealed(directory, lines, numbered_name(number + 1))


@pytest.mark.parametrize(("max_ids", "expected"), [(199, 2), (200, 2), (201, 3), (800, 6)])
def test_only_the_newest_segments_of_a_long_backlog_are_read(
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
        path.write_bytes(raw[raw.index(b"2 " + numbered_name(3).id.encode()) :])
    assert (2 + 1, 1 + 1) == (Scan(tmp_path, 400).segments_read, Scan(tmp_path, 200).segments_read)


def other(number: int) -> bytes:
    """Another event with the id of `event(number)`."""
    return event(number, "2026-11-24")


def kept(number: int) -> bytes:
    """The line of `other(number)` as a conflict."""
    return conflict_line(other(number), kept_id(number))


def kept_id(number: int) -> str:
    return conflict_id(f"e{number}", fingerprints([other(number)])[0])


async def send(p: Bench, *lines: bytes) -> Durable:
    return await p.dedup.append(lines, [orjson.loads(line)["event_id"] for line in lines])


async def test_another_event_with_a_known_id_is_kept_under_an_id_of_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with process(tmp_path) as p:
        await send(p, event(1))
        found = await send(p, event(2), other(1))
        assert (frozenset(), {1: kept_id(1)}) == (found.duplicates, found.kept_as)
        assert (3, 1, 0) == (p.counters.durable, p.counters.conflict, p.counters.duplicate)
    assert [event(1), event(2), kept(1)] == stored(tmp_path)
    (record,) = (each for each in caplog.records if each.message == "event id conflict")
    assert {"events": 1, "segment": next(iter(found.segments))} == record.__dict__["fields"]


async def test_a_retry_of_a_conflict_is_its_duplicate(tmp_path: Path) -> None:
    async with process(tmp_path) as p:
        await send(p, event(1))
        first = await send(p, other(1))
        again = await send(p, other(1), event(1))
        assert (frozenset({0, 1}), {0: kept_id(1)}) == (again.duplicates, again.kept_as)
        assert first.segments <= again.segments
        assert (2, 1, 2) == (p.counters.durable, p.counters.conflict, p.counters.duplicate)
    assert sorted([event(1), kept(1)]) == sorted(stored(tmp_path))


async def test_a_conflict_in_one_batch_is_kept(tmp_path: Path) -> None:
    async with process(tmp_path) as p:
        found = await send(p, event(1), other(1), event(1), other(1))
    assert (frozenset({2, 3}), {1: kept_id(1), 3: kept_id(1)}) == (found.duplicates, found.kept_as)
    assert sorted([event(1), kept(1)]) == sorted(stored(tmp_path))


async def test_of_two_events_with_one_id_sent_at_once_both_are_kept(tmp_path: Path) -> None:
    async with process(tmp_path) as p:
        one, two, again = await asyncio.gather(
            send(p, event(1)), send(p, other(1)), send(p, other(1))
        )
    assert [{}, {0: kept_id(1)}, {0: kept_id(1)}] == [one.kept_as, two.kept_as, again.kept_as]
    assert {1} == {len(two.duplicates) + len(again.duplicates)}
    assert sorted([event(1), kept(1)]) == sorted(stored(tmp_path))


async def test_an_event_whose_rival_was_refused_keeps_its_id(
    tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("journal cannot be written")
    async with process(tmp_path, FaultyFileSystem([Fault("sync", 1)])) as p:
        with pytest.raises(JournalUnavailable):
            await send(p, event(1))
        while p.dedup.refusal() is not None:
            await asyncio.sleep(0.02)
        assert {} == (await send(p, other(1))).kept_as
    assert [other(1)] == stored(tmp_path)


@pytest.mark.parametrize("crash", [False, True], ids=["orderly", "killed"])
@pytest.mark.parametrize("delivered", [False, True], ids=["pending", "delivered"])
async def test_the_next_process_knows_the_conflicts_of_this_one(
    tmp_path: Path, crash: bool, delivered: bool
) -> None:
    async with process(tmp_path, crash=crash) as p:
        await send(p, event(1), other(1))
    if delivered:
        async with process(tmp_path):
            pass
        remove_segments(tmp_path)
    async with process(tmp_path) as p:
        found = await send(p, event(1), other(1))
    assert (frozenset({0, 1}), {1: kept_id(1)}) == (found.duplicates, found.kept_as)


async def test_many_events_may_have_one_id(tmp_path: Path) -> None:
    lines = [event(1, f"2026-11-{day:02d}") for day in range(1, 31)]
    async with process(tmp_path) as p:
        found = [await send(p, each) for each in lines]
        again = await send(p, *lines)
    assert 29 == len({kept for each in found for kept in each.kept_as.values()})
    assert set(range(30)) == again.duplicates
    assert 30 == len(stored(tmp_path))


async def test_events_without_an_id_between_others_are_kept(tmp_path: Path) -> None:
    async with process(tmp_path) as p:
        await send(p, event(1))
        lines = [event(5), event(1), event(6), other(1)]
        found = await p.dedup.append(lines, [None, "e1", None, "e1"])
    assert (frozenset({1}), {3: kept_id(1)}) == (found.duplicates, found.kept_as)
    assert sorted([event(1), event(5), event(6), kept(1)]) == sorted(stored(tmp_path))
