"""The shipper and boto3 against a store that fails: nothing lost, nothing twice."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from storage.counters import Counters
from storage.delivery.shipment import Packer
from storage.delivery.shipper import Shipper
from storage.delivery.uploader import Clock
from storage.filesystem import LocalFileSystem
from storage.journal.backlog import Backlog
from storage.journal.recovery import recover
from storage.journal.segment import KeyRules, SealedSegment, SegmentName
from storage.stores import s3 as s3_module
from storage.stores.s3 import S3Store
from tests.faults.faulty_s3 import ANSWERS, FaultyS3
from tests.storage.segments import events, numbered_name, write_sealed
from tests.support.objects import events_in

EVENTS = 12

PERMANENT = {
    "ExpiredToken",
    "RequestTimeTooSkewed",
    "InvalidAccessKeyId",
    "AccessDenied",
    "NoSuchBucket",
    "PermanentRedirect",
}
NO_ANSWER = ["reset_before", "reset_after", "hang_before", "hang_after", "truncated"]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    monkeypatch.setattr(s3_module, "_READ_TIMEOUT_S", 0.3)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with FaultyS3(hang_s=0.6) as server:
        yield server


@dataclass
class Bench:
    """A journal with one sealed segment of each layout, and its shipper."""

    directory: Path
    store: FaultyS3
    counters: Counters
    backlog: Backlog
    shipper: Shipper
    waits: list[float]

    @property
    def files(self) -> int:
        return len(list(self.directory.glob("*.sealed")))

    def delivered(self) -> Counter[str]:
        return Counter(event["event_id"] for event in events_in(self.store.stored.objects))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.01)

    async def all_is_well(self) -> None:
        """Everything is delivered once, and everything adds up."""
        await self.until(lambda: self.backlog.is_empty)
        assert {f"e{number}": 1 for number in range(2 * EVENTS)} == self.delivered()
        assert [] == self.store.stored.differing
        assert (0, 2 * EVENTS, 0) == (self.files, self.counters.delivered, self.counters.lost)


def sealed_segments(directory: Path) -> list[SealedSegment]:
    lines = events(2 * EVENTS)
    of_events = SegmentName(numbered_name(1).id, KeyRules("event", "events"))
    of_batch = SegmentName(numbered_name(2).id, KeyRules("batch", "events"))
    return [
        write_sealed(directory, lines[:EVENTS], of_events),
        write_sealed(directory, lines[EVENTS:], of_batch),
    ]


@asynccontextmanager
async def bench(directory: Path, store: FaultyS3) -> AsyncIterator[Bench]:
    fs = LocalFileSystem()
    recover(fs, directory)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0.005)

    counters = Counters()
    backlog = Backlog(fs, directory, counters)
    backlog.load()
    s3 = S3Store("b", region="eu-central-1", endpoint_url=store.endpoint_url, connections=4)
    clock = Clock(sleep=sleep, random=lambda: 1.0)
    shipper = Shipper(backlog, Packer(fs, directory), s3, concurrency=4, clock=clock)
    yield Bench(directory, store, counters, backlog, shipper, waits)
    await shipper.close()


def run(claim: Coroutine[Any, Any, None]) -> None:
    asyncio.run(claim)


@pytest.mark.parametrize("fault", [*ANSWERS, *NO_ANSWER])
def test_while_a_store_fails_nothing_is_deleted_and_after_it_all_is_delivered(
    tmp_path: Path, store: FaultyS3, fault: str, request: pytest.FixtureRequest
) -> None:
    if fault in PERMANENT:
        request.getfixturevalue("expected_errors").append("delivery failed")
    sealed_segments(tmp_path)
    store.probabilities = {fault: 1.0}

    async def claim() -> None:
        async with bench(tmp_path, store) as b:
            await b.until(lambda: len(b.waits) >= 4)
            failure = b.shipper.last_failure
            assert failure is not None
            assert failure.permanent is (fault in PERMANENT)
            assert fault in NO_ANSWER or failure.code == fault
            assert min(b.waits) == (5.0 if fault in PERMANENT else 0.2)
            assert (2, 0) == (b.files, b.counters.delivered)
            store.probabilities = {}
            await b.all_is_well()

    run(claim())


def test_a_store_that_refuses_connections_gets_everything_later(
    tmp_path: Path, store: FaultyS3
) -> None:
    sealed_segments(tmp_path)

    async def claim() -> None:
        with store.refusing():
            begun = bench(tmp_path, store)
            b = await begun.__aenter__()
            await b.until(lambda: len(b.waits) >= 4)
            assert b.shipper.last_failure is not None
            assert not b.shipper.last_failure.permanent
            assert (2, 0) == (b.files, b.counters.delivered)
        await b.all_is_well()
        await begun.__aexit__(None, None, None)

    run(claim())


@pytest.mark.parametrize("fault", ["wrong_etag", "slow"])
def test_what_is_no_failure_is_not_taken_for_one(
    tmp_path: Path, store: FaultyS3, fault: str
) -> None:
    sealed_segments(tmp_path)
    store.probabilities = {fault: 1.0}

    async def claim() -> None:
        async with bench(tmp_path, store) as b:
            await b.all_is_well()
            assert (None, []) == (b.shipper.last_failure, b.waits)
            assert store.stored.puts == EVENTS + 1

    run(claim())


def test_what_was_stored_without_an_answer_is_not_stored_again(
    tmp_path: Path, store: FaultyS3, caplog: pytest.LogCaptureFixture
) -> None:
    sealed_segments(tmp_path)
    store.probabilities = {"reset_after": 1.0}

    async def claim() -> None:
        async with bench(tmp_path, store) as b:
            await b.until(lambda: len(store.stored.objects) == EVENTS + 1)
            puts_of_events = {key for key in store.stored.objects if key.endswith(".json")}
            assert len(puts_of_events) == EVENTS
            store.probabilities = {}
            await b.all_is_well()

    run(claim())
    assert "objects already in store, not replaced" not in caplog.messages


@pytest.mark.parametrize("seed", range(6))
def test_faults_of_all_kinds_at_once(
    tmp_path: Path, store: FaultyS3, seed: int, expected_errors: list[str]
) -> None:
    expected_errors.append("delivery failed")
    chance = random.Random(seed)
    kinds = [*ANSWERS, *NO_ANSWER, "wrong_etag"]
    sealed_segments(tmp_path)
    store.probabilities = {kind: chance.choice([0.02, 0.1]) for kind in kinds}

    async def claim() -> None:
        async with bench(tmp_path, store) as b:
            await b.until(lambda: len(b.waits) >= 6 or b.backlog.is_empty)
            store.probabilities = {"AccessDenied": 1.0} if not b.backlog.is_empty else {}
            b.waits.clear()
            await b.until(lambda: bool(b.waits) or b.backlog.is_empty)
            store.probabilities = {}
            await b.all_is_well()

    run(claim())


def test_credentials_are_read_again_after_they_were_refused(
    tmp_path: Path,
    store: FaultyS3,
    monkeypatch: pytest.MonkeyPatch,
    expected_errors: list[str],
) -> None:
    monkeypatch.setattr(s3_module, "_RENEWAL_INTERVAL_S", 0.0)
    expected_errors.append("delivery failed")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    credentials = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    credentials.write_text("[default]\naws_access_key_id=old\naws_secret_access_key=x\n")
    store.accepted_key = "new"
    journal = tmp_path / "journal"
    sealed_segments(journal)

    async def claim() -> None:
        async with bench(journal, store) as b:
            await b.until(lambda: len(b.waits) >= 2)
            assert b.shipper.last_failure is not None
            assert b.shipper.last_failure.code == "InvalidAccessKeyId"
            credentials.write_text("[default]\naws_access_key_id=new\naws_secret_access_key=x\n")
            await b.all_is_well()

    run(claim())
