import asyncio
import errno
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from storage.counters import Counters
from storage.journal import journal as journal_module
from storage.journal.directory import JournalDirectory
from storage.journal.journal import Journal
from storage.journal.limits import JournalLimits
from storage.journal.record import HEAD_BYTES, Record, encoded_size, scan
from storage.journal.segment import KeyRules, SealedSegment, new_segment_name, parse_segment_name
from storage.journal.writer import Appended, SegmentWriter
from storage.refusals import JournalBusy, JournalClosed, JournalFull, JournalUnavailable
from tests.storage.segments import NoShipping, contents, no_ids, no_reserve
from tests.support.failing_filesystem import FaultyFileSystem
from tests.support.waiting import let_tasks_run, until

NEVER_S = 3600.0
MIB = 1024 * 1024


class CountingWriter(SegmentWriter):
    def __init__(self, disk: FaultyFileSystem, directory: Path) -> None:
        super().__init__(
            JournalDirectory(disk, directory),
            lambda: new_segment_name(KeyRules("auto-100", "events")),
            no_ids,
            no_reserve(directory),
        )
        self.groups: list[int] = []

    def append(self, lines: Any, identities: bytes = b"") -> Appended:
        self.groups.append(len(lines))
        return super().append(lines, identities)


@dataclass
class Bench:
    """A journal in a directory of its own, and what it handed over."""

    directory: Path
    disk: FaultyFileSystem
    writer: CountingWriter
    journal: Journal
    shipping: NoShipping
    counters: Counters

    @property
    def sealed(self) -> list[SealedSegment]:
        return self.shipping.sealed

    def lines_on_disk(self) -> list[bytes]:
        names = sorted(path.name for path in self.directory.iterdir())
        found = [name for name in map(parse_segment_name, names) if name is not None]
        return [line for name in found for line in self._lines(self.directory / name.file_name)]

    def remove_open(self) -> None:
        (path,) = self.directory.glob("*.open")
        path.unlink()

    def _lines(self, path: Path) -> list[bytes]:
        name = parse_segment_name(path.name)
        assert name is not None
        with path.open("rb") as stream:
            pieces = list(scan(stream, name.checksum_seed))
        assert [] == [piece for piece in pieces if not isinstance(piece, Record)]
        return [line for piece in pieces if isinstance(piece, Record) for line in piece.lines]


@asynccontextmanager
async def bench(
    directory: Path,
    *,
    flush_s: float = NEVER_S,
    segment: int = MIB,
    full: int = MIB,
    idle: bool = False,
    event: int = 0,
) -> AsyncIterator[Bench]:
    disk = FaultyFileSystem()
    writer = CountingWriter(disk, directory)
    shipping, counters = NoShipping(), Counters()
    limits = JournalLimits(flush_s, segment, full, seal_when_idle=idle, event_max_bytes=event)
    journal = Journal(writer, limits, shipping, counters)
    yield Bench(directory, disk, writer, journal, shipping, counters)
    await journal.close()


def timer_delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the list of the delays of all timers that are set from now on."""
    loop = asyncio.get_running_loop()
    call_later = loop.call_later
    delays: list[float] = []

    def recording(delay: float, *rest: Any) -> asyncio.TimerHandle:
        delays.append(delay)
        return call_later(delay, *rest)

    monkeypatch.setattr(loop, "call_later", recording)
    return delays


async def test_an_event_is_on_disk_when_its_future_is_done(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.journal.append([b'{"n":1}', b'{"n":2}'])
        assert [b'{"n":1}', b'{"n":2}'] == b.lines_on_disk()
        assert 2 == b.journal.held_events


async def test_events_that_arrive_during_a_commit_share_the_next_one(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        first = b.journal.append([b"{}"])
        await asyncio.sleep(0)  # lets the first commit begin
        rest = [b.journal.append([b"{}"]) for _ in range(50)]
        await asyncio.gather(first, *rest)
        assert [1, 50] == b.writer.groups


async def test_a_segment_is_sealed_an_interval_after_its_first_event(tmp_path: Path) -> None:
    async with bench(tmp_path, flush_s=0.01) as b:
        await b.journal.append([b"{}", b"{}"])
        await until(lambda: len(b.sealed) == 1)
        assert 2 == b.sealed[0].events
        assert 0 == b.journal.held_events
        await b.journal.append([b"{}"])
        await until(lambda: len(b.sealed) == 2)


async def test_an_idle_journal_makes_no_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays = timer_delays(monkeypatch)
    async with bench(tmp_path, flush_s=0.001) as b:
        await let_tasks_run()
        assert ([], []) == (delays, b.sealed)
    assert {} == contents(tmp_path)


async def test_a_segment_is_sealed_when_it_has_reached_its_size(tmp_path: Path) -> None:
    async with bench(tmp_path, segment=1000) as b:
        for _ in range(10):
            await b.journal.append([b"x" * 400])
        await until(lambda: len(b.sealed) == 3)
        assert [3, 3, 3] == [each.events for each in b.sealed]


async def test_a_burst_is_split_over_segments_of_their_size(tmp_path: Path) -> None:
    async with bench(tmp_path, segment=1000) as b:
        await asyncio.gather(*(b.journal.append([b"x" * 400]) for _ in range(30)))
        await until(lambda: len(b.sealed) == 10)
        assert {3} == {each.events for each in b.sealed}


async def test_a_full_journal_refuses_events_until_there_is_room(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path, full=MIB) as b:
        b.shipping.disk_bytes = MIB
        with pytest.raises(JournalFull) as refused:
            b.journal.append([b"{}"])
        assert refused.value.retry_after_s == 17
        b.shipping.disk_bytes = MIB - 8192
        await b.journal.append([b"{}"])
        assert [b"{}"] == b.lines_on_disk()


@pytest.mark.parametrize("event", [1000, 100_000], ids=["small events", "large events"])
async def test_a_journal_is_reported_full_from_the_first_refused_event_until_there_is_clear_room(
    tmp_path: Path, event: int
) -> None:
    largest = encoded_size([event])
    clear = max(2 * largest, MIB // 100)
    async with bench(tmp_path, full=MIB, event=event) as b:
        seen = []
        for room in (clear, largest, largest - 1, largest, clear - 1, clear, largest):
            b.shipping.disk_bytes = MIB - room
            seen.append(isinstance(b.journal.refusal(), JournalFull))
        assert [False, False, True, True, True, False, False] == seen
        b.shipping.disk_bytes = MIB - largest
        assert b.journal.refusal() is None
        await b.journal.append([b"x" * event])


async def test_a_disk_that_fails_meanwhile_does_not_empty_the_journal(
    tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("journal cannot be written")
    async with bench(tmp_path, full=MIB, event=1000) as b:
        b.shipping.disk_bytes = MIB
        assert isinstance(b.journal.refusal(), JournalFull)
        b.disk.fail_until_repaired("create")
        b.shipping.disk_bytes = 0
        with pytest.raises(JournalUnavailable):
            await b.journal.append([b"{}"])
        b.shipping.disk_bytes = MIB - 2000
        assert isinstance(b.journal.refusal(), JournalUnavailable)
        b.disk.repair()
        await until(lambda: isinstance(b.journal.refusal(), JournalFull))
        b.shipping.disk_bytes = 0


async def test_events_beyond_the_limit_of_waiting_bytes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "_MAX_WAITING_BYTES", 100)
    async with bench(tmp_path) as b:
        first = b.journal.append([b"x" * 200])
        with pytest.raises(JournalBusy):
            b.journal.append([b"{}"])
        await first
        await b.journal.append([b"{}"])


async def test_a_failing_disk_refuses_until_it_works_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected_errors: list[str]
) -> None:
    monkeypatch.setattr(journal_module, "_PROBE_INTERVAL_S", 0.01)
    expected_errors.append("journal cannot be written")
    async with bench(tmp_path) as b:
        b.disk.fail_until_repaired("create", code=errno.ENOSPC)
        first, second = b.journal.append([b'{"n":1}']), b.journal.append([b'{"n":2}'])
        with pytest.raises(JournalUnavailable, match="No space left on device"):
            await first
        with pytest.raises(JournalUnavailable):
            await second
        with pytest.raises(JournalUnavailable):
            b.journal.append([b'{"n":3}'])
        b.disk.repair()
        await until(lambda: b.journal.refusal() is None)
        await b.journal.append([b'{"n":4}'])
        assert [b'{"n":4}'] == b.lines_on_disk()


async def test_closing_makes_waiting_events_durable_and_seals(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        waiting = [b.journal.append([b"{}"]) for _ in range(5)]
        await b.journal.close()
        await asyncio.gather(*waiting)
        assert [5] == [each.events for each in b.sealed]
        with pytest.raises(JournalClosed):
            b.journal.append([b"{}"])


async def test_a_cancelled_wait_does_not_take_the_event_from_its_group(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as b:
        gone = b.journal.append([b'{"n":1}'])
        gone.cancel()
        await b.journal.append([b'{"n":2}'])
        assert [b'{"n":1}', b'{"n":2}'] == b.lines_on_disk()


async def test_durable_events_are_held_or_sealed_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected_errors: list[str]
) -> None:
    monkeypatch.setattr(journal_module, "_PROBE_INTERVAL_S", 0.01)
    expected_errors.append("journal cannot be written")
    async with bench(tmp_path, segment=2000) as b:

        def held() -> int:
            return b.journal.held_events + sum(each.events for each in b.sealed)

        for turn in range(60):
            if turn % 20 == 19:
                b.disk.fail_until_repaired("create", code=errno.ENOSPC)
            await asyncio.gather(
                *(b.journal.append([b"x" * 100]) for _ in range(turn % 5)),
                return_exceptions=True,
            )
            assert b.counters.durable == held()
            b.disk.repair()
            await until(lambda: b.journal.refusal() is None)
        await b.journal.close()
        assert b.counters.durable == held() == len(b.lines_on_disk())


async def test_the_events_of_a_removed_segment_are_counted_as_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected_errors: list[str]
) -> None:
    monkeypatch.setattr(journal_module, "_PROBE_INTERVAL_S", 0.01)
    expected_errors += ["journal cannot be written", "segment was removed before it was sealed"]
    async with bench(tmp_path) as b:
        await b.journal.append([b"{}", b"{}"])
        b.remove_open()
        with pytest.raises(JournalUnavailable):
            await b.journal.append([b"{}"])
        await until(lambda: b.journal.refusal() is None)
        assert (2, 2, 0) == (b.counters.durable, b.counters.lost, b.journal.held_events)


async def test_with_seal_when_idle_a_segment_is_sealed_as_soon_as_it_could_be_shipped(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path, idle=True) as b:
        segment_id = await b.journal.append([b"{}"])
        assert b.journal.holds(segment_id)
        (seal,) = b.shipping.when_idle
        seal()
        await until(lambda: len(b.sealed) == 1)
        assert not b.journal.holds(segment_id)
        assert [segment_id] == [each.name.id for each in b.sealed]


@pytest.mark.parametrize(("code", "expected"), [(errno.ENOSPC, 17), (errno.EIO, 5)])
async def test_a_refusal_on_a_full_disk_says_when_there_will_be_room(
    tmp_path: Path, expected_errors: list[str], code: int, expected: int
) -> None:
    expected_errors.append("journal cannot be written")
    async with bench(tmp_path) as b:
        b.disk.fail_until_repaired("create", code=code)
        with pytest.raises(JournalUnavailable) as refused:
            await b.journal.append([b"{}"])
        assert expected == refused.value.retry_after_s
        later = b.journal.refusal()
        assert later is not None
        assert expected == later.retry_after_s
        b.disk.repair()


@pytest.mark.parametrize("jump_s", [-86_400, 86_400])
async def test_a_wall_clock_that_jumps_delays_no_seal_and_loses_no_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: int
) -> None:
    real = time.time_ns
    jumps = [0]
    monkeypatch.setattr(time, "time_ns", lambda: real() + jumps[0] * jump_s * 10**9)
    monkeypatch.setattr(time, "time", lambda: real() / 1e9 + jumps[0] * jump_s)
    async with bench(tmp_path, flush_s=0.05) as b:
        for number in range(4):
            await b.journal.append([b'{"n":%d}' % number])
            jumps[0] += 1
            await until(lambda number=number: len(b.sealed) == number + 1)  # type: ignore[misc]
        assert {b'{"n":%d}' % number for number in range(4)} == set(b.lines_on_disk())


async def test_held_bytes_are_those_on_disk(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.journal.append([b'{"n":1}', b'{"n":22}', b'{"n":333}'])
        await b.journal.append([b'{"n":4444}'])
        expected = 2 * HEAD_BYTES + 8 + 9 + 10 + 11
        assert (expected, expected) == (b.journal.held_bytes, b.writer.size)
        await asyncio.gather(*(b.journal.append([b"{}"]) for _ in range(7)))
        (raw,) = contents(tmp_path).values()
        assert (len(raw), len(raw)) == (b.journal.held_bytes, b.writer.size)
        assert [] == b.shipping.when_idle


@pytest.mark.parametrize(
    ("waits", "size", "taken"), [(0, 4096, True), (0, 4097, False), (1, 4095, False)]
)
async def test_a_journal_is_full_to_the_byte(
    tmp_path: Path, waits: int, size: int, taken: bool
) -> None:
    async with bench(tmp_path, full=MIB) as b:
        await b.journal.append([b"{}"])
        b.shipping.disk_bytes = MIB - 2 * 4096
        first = [b.journal.append([b"{}"]) for _ in range(waits)]
        try:
            await b.journal.append([b"x" * (size - HEAD_BYTES - 1)])
            assert taken
        except JournalFull:
            assert not taken
        await asyncio.gather(*first)
