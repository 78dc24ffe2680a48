"""The journal at its limits and under failures."""

import asyncio
import errno
import logging
from pathlib import Path

import pytest

from storage.journal import journal as journal_module
from storage.journal.record import HEAD_BYTES
from storage.journal.segment import disk_bytes
from storage.refusals import JournalFull, JournalUnavailable
from tests.storage.journal.test_journal import MIB, bench, timer_delays
from tests.support.waiting import until


@pytest.fixture(autouse=True)
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "_PROBE_INTERVAL_S", 0.01)


async def test_a_segment_is_sealed_when_it_has_exactly_its_size(tmp_path: Path) -> None:
    async with bench(tmp_path, segment=HEAD_BYTES + 960) as b:
        await asyncio.gather(*(b.journal.append([b"x" * 479]) for _ in range(6)))
        await until(lambda: len(b.sealed) == 3)
        assert [2, 2, 2] == [each.events for each in b.sealed]
        await b.journal.append([b"x" * 959])
        await until(lambda: len(b.sealed) == 4)


async def test_a_journal_a_byte_short_of_the_largest_event_is_not_ready(tmp_path: Path) -> None:
    async with bench(tmp_path, full=MIB, event=1000) as b:
        b.shipping.disk_bytes = MIB - 1000 - 1 - HEAD_BYTES
        assert b.journal.refusal() is None
        b.shipping.disk_bytes += 1
        assert b.journal.refusal() is not None


async def test_a_seal_that_fails_refuses_events_until_it_is_repaired(
    tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("journal cannot be written")
    async with bench(tmp_path, flush_s=0.01) as b:
        b.disk.fail_until_repaired("rename")
        await b.journal.append([b"{}"])
        await until(lambda: b.journal.refusal() is not None)
        with pytest.raises(JournalUnavailable, match="Input/output error"):
            b.journal.append([b"{}"])
        await until(lambda: b.disk.calls.count("rename") >= 3)
        assert [] == b.sealed
        b.disk.repair()
        await until(lambda: b.journal.refusal() is None)
        assert [1] == [each.events for each in b.sealed]


@pytest.mark.parametrize(
    ("error", "client_text", "has_traceback"),
    [
        (OSError(errno.EIO, "Input/output error"), "Input/output error", False),
        (ValueError("a defect"), "an unexpected error", True),
    ],
)
async def test_a_defect_is_logged_with_its_traceback_and_a_failing_disk_without(
    tmp_path: Path,
    expected_errors: list[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    client_text: str,
    has_traceback: bool,
) -> None:
    expected_errors.append("journal cannot be written")

    def failing(path: Path) -> None:
        raise error

    async with bench(tmp_path) as b:
        with monkeypatch.context() as patch:
            patch.setattr(b.disk, "create", failing)
            with pytest.raises(JournalUnavailable, match=client_text):
                await b.journal.append([b"{}"])
        await until(lambda: b.journal.refusal() is None)
    (record,) = (each for each in caplog.records if each.levelno == logging.ERROR)
    assert has_traceback is (record.exc_info is not None)


# Not a power of two, which hides an error in one of two summands.
LIMIT = 1_000_000


async def test_the_disk_space_in_use_includes_held_and_waiting_events(tmp_path: Path) -> None:
    async with bench(tmp_path, flush_s=60, full=LIMIT) as b:
        await b.journal.append([b"x" * 5300])
        held = disk_bytes(b.journal.held_bytes)
        waiting = 5300 + 1 + HEAD_BYTES
        b.shipping.disk_bytes = LIMIT - held - waiting - waiting
        first, second = b.journal.append([b"x" * 5300]), b.journal.append([b"x" * 5300])
        with pytest.raises(JournalFull):
            b.journal.append([b"x"])
        await asyncio.gather(first, second)


async def test_a_segment_has_one_timer_however_many_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays = timer_delays(monkeypatch)
    async with bench(tmp_path, flush_s=61) as b:
        for _ in range(3):
            await b.journal.append([b"{}"])
    assert 1 == delays.count(61)
