"""The order of opening a journal directory, as a safety property."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from storage.dedup.id_log import IdLimits, IdLog
from storage.dedup.identity import kept_identity
from storage.filesystem import FileSystem, LocalFileSystem
from storage.journal.directory import JournalDirectory
from storage.journal.lock import DirectoryInUse, DirectoryLock
from storage.opening import OpenDirectory, OpeningLimits, open_directory
from storage.stores.directory import DirectoryStore
from tests.storage.segments import (
    DAY,
    contents,
    event,
    events,
    local,
    no_reserve,
    numbered_name,
    recorded,
    sealed_in,
    write_sealed,
    write_segment,
)
from tests.support.failing_filesystem import FaultyFileSystem
from tests.support.fault_policies import Fault
from tests.support.objects import events_in, files
from tests.support.waiting import WAIT_S

ID_LIMITS = IdLimits(1e9, 10_000)
LIMITS = OpeningLimits(ID_LIMITS, max_ids_in_memory=10_000, reserve_bytes=0, uploads=2)

SEALED, OPEN = events(3), events(6)[3:]
DELIVERED = 9
PENDING = [f"e{number}" for number in range(6)]
DURABLE = {*PENDING, f"e{DELIVERED}"}

KINDS = [
    "make_directory",
    "entries",
    "open_read",
    "create",
    "write",
    "sync",
    "close",
    "rename",
    "sync_directory",
    "remove",
]
# These errors do not keep a process from starting.
TOLERATED = {"event ids cannot be written"}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def leave(directory: Path) -> None:
    """Leave what a crash does: a sealed segment, a torn open one, ids, a staged orphan."""
    journal = local(directory)
    journal.make()
    write_sealed(directory, SEALED, numbered_name(1, "event"))
    path = write_segment(directory, OPEN, numbered_name(2, "event"))
    path.write_bytes(path.read_bytes() + b"73ffe4")
    (journal.staged / f"{numbered_name(DELIVERED).id}.{DAY}.ndjson.gz").write_bytes(b"orphan")
    log = IdLog(journal, ID_LIMITS, no_reserve(directory))
    assert [] == list(log.load())
    log.record(numbered_name(DELIVERED).id, recorded(event(DELIVERED)))
    log.close()


@asynccontextmanager
async def opened(directory: Path, fs: FileSystem | None = None) -> AsyncIterator[OpenDirectory]:
    """Open a directory whose segments go to a directory beside it; OSError if that fails."""
    journal = JournalDirectory(fs or LocalFileSystem(), directory)
    store = DirectoryStore(LocalFileSystem(), directory.parent / "store")
    found = open_directory(journal, store, LIMITS)
    try:
        yield found
    finally:
        await found.shipper.close()
        found.lock.release()
        with contextlib.suppress(OSError):
            found.id_log.close()


def known(found: OpenDirectory) -> set[str]:
    return {f"e{each}" for each in range(100) if found.id_window.find(*kept_identity(event(each)))}


def delivered(directory: Path) -> list[str]:
    return sorted(each["event_id"] for each in events_in(files(directory.parent / "store")))


async def assert_nothing_is_lost(directory: Path) -> None:
    """Open the directory on a disk that works: every event is known and delivered once."""
    async with opened(directory) as found:
        assert DURABLE == known(found)
        assert len(PENDING) == found.counters.recovered
        assert await found.shipper.drain(WAIT_S)
    assert PENDING == delivered(directory)


async def test_events_left_by_a_crash_are_known_counted_and_delivered(directory: Path) -> None:
    leave(directory)
    await assert_nothing_is_lost(directory)
    assert [] == sealed_in(directory)
    assert [] == list(local(directory).staged.iterdir())


@pytest.mark.parametrize("kind", KINDS)
async def test_a_step_that_fails_releases_the_lock_and_loses_nothing(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture, expected_errors: list[str]
) -> None:
    failures = 0
    for call in range(1, 100):
        directory = tmp_path / str(call) / "journal"
        leave(directory)
        fs = FaultyFileSystem([Fault(kind, call, partial=20)])
        try:
            # The shipper is closed before it has taken a segment.
            async with opened(directory, fs):
                pass
        except OSError:
            failures += 1
            await asyncio.sleep(0)
        assert [] == delivered(directory), f"{kind} {call}: delivered while opening"
        DirectoryLock(local(directory)).release()
        await assert_nothing_is_lost(directory)
        if fs.calls.count(kind) < call:
            break
    assert failures > 0, f"no failure of {kind} kept the directory from opening"
    seen = {each.message for each in caplog.records if each.levelno == logging.ERROR}
    expected_errors += sorted(seen & TOLERATED)


class Watched(LocalFileSystem):
    """A file system that lists what is read and removed in a journal directory."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []

    def open_read(self, path: Path):  # type: ignore[no-untyped-def]
        self.steps.append(f"read {path.suffix}")
        return super().open_read(path)

    def remove(self, path: Path) -> None:
        self.steps.append(f"remove {path.suffix}")
        super().remove(path)

    def create(self, path: Path):  # type: ignore[no-untyped-def]
        self.steps.append(f"create {path.suffix}")
        return super().create(path)


async def test_no_segment_is_deleted_before_its_ids_are_in_the_log(directory: Path) -> None:
    leave(directory)
    fs = Watched()
    async with opened(directory, fs) as found:
        before_shipping = len(fs.steps)
        assert DURABLE == known(found)
        assert await found.shipper.drain(WAIT_S)
    first_removal = fs.steps.index("remove .sealed")
    assert fs.steps.index("read .ids") < fs.steps.index("create .ids") < first_removal
    assert before_shipping <= first_removal
    async with opened(directory) as found:
        assert DURABLE == known(found)


async def test_a_directory_in_use_is_left_unchanged(directory: Path) -> None:
    leave(directory)
    lock = DirectoryLock(local(directory))
    before = contents(directory)
    fs = FaultyFileSystem()
    with pytest.raises(DirectoryInUse):
        async with opened(directory, fs):
            pass
    assert before == contents(directory)
    assert ["make_directory"] == fs.calls
    lock.release()
    await assert_nothing_is_lost(directory)


async def test_a_directory_that_does_not_exist_is_made(directory: Path) -> None:
    async with opened(directory) as found:
        assert found.backlog.is_empty
        assert 0 == found.counters.recovered
    assert {"lock"} == contents(directory).keys()


async def test_a_directory_that_others_may_write_to_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "journal"
    directory.mkdir()
    directory.chmod(0o775)
    async with opened(directory):
        pass
    (found,) = [each for each in caplog.records if "other users" in each.message]
    assert logging.WARNING == found.levelno
    expected = {
        "path": str(directory),
        "mode": "0775",
        "remedy": f"run `chmod go-w {directory}`",
    }
    assert expected == found.__dict__["fields"]
