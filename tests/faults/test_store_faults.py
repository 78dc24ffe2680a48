"""The shipper and boto3 with a store that fails: no event is lost or delivered twice."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage.counters import Counters
from storage.delivery.shipment import Packer
from storage.delivery.shipper import Shipper
from storage.delivery.uploader import Clock
from storage.journal.backlog import Backlog
from storage.journal.recovery import recover
from storage.journal.segment import KeyRules, SealedSegment, SegmentName
from storage.stores import s3 as s3_module
from storage.stores.s3 import S3Store
from tests.faults.faulty_s3 import ERRORS, PAGES, FaultyS3
from tests.storage.segments import events, local, numbered_name, write_sealed
from tests.support.objects import events_in
from tests.support.waiting import WAIT_S, until

EVENTS = 12

PERMANENT = {
    "ExpiredToken",
    "RequestTimeTooSkewed",
    "InvalidAccessKeyId",
    "AccessDenied",
    "NoSuchBucket",
    "PermanentRedirect",
}
HANGING = ["hang_before", "hang_after"]
NO_RESPONSE = ["reset_before", "reset_after", *HANGING, "truncated"]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with FaultyS3(hang_s=WAIT_S) as server:
        yield server


@pytest.fixture
def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let uploads give up soon. A busy machine may then make any upload fail."""
    monkeypatch.setattr(s3_module, "_READ_TIMEOUT_S", 0.3)


@dataclass
class Bench:
    """A journal with one sealed segment of each layout, and its shipper."""

    directory: Path
    store: FaultyS3
    counters: Counters
    backlog: Backlog
    shipper: Shipper
    waits: list[float]
    may_retry: asyncio.Event

    @property
    def files(self) -> int:
        return len(list(self.directory.glob("*.sealed")))

    def delivered(self) -> Counter[str]:
        return Counter(event["event_id"] for event in events_in(self.store.stored.objects))

    @property
    def has_failed_permanently(self) -> bool:
        failure = self.shipper.last_failure
        return failure is not None and failure.permanent

    async def all_is_well(self) -> None:
        """Check that every event is delivered once, and that the counters say so."""
        await until(lambda: self.backlog.is_empty)
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
    journal = local(directory)
    recover(journal)
    waits: list[float] = []
    may_retry = asyncio.Event()
    may_retry.set()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0.005)
        await may_retry.wait()

    counters = Counters()
    backlog = Backlog(journal, counters)
    backlog.load()
    s3 = S3Store("b", region="eu-central-1", endpoint_url=store.endpoint_url, connections=4)
    clock = Clock(sleep=sleep, random=lambda: 1.0)
    shipper = Shipper(backlog, Packer(journal), s3, concurrency=4, clock=clock)
    yield Bench(directory, store, counters, backlog, shipper, waits, may_retry)
    await shipper.close()


@pytest.mark.parametrize("fault", [*ERRORS, *NO_RESPONSE])
async def test_nothing_is_deleted_while_a_store_fails_and_all_is_delivered_after_it(
    tmp_path: Path, store: FaultyS3, fault: str, request: pytest.FixtureRequest
) -> None:
    if fault in PERMANENT:
        request.getfixturevalue("expected_errors").append("delivery failed")
    if fault in HANGING:
        request.getfixturevalue("short_timeout")
    sealed_segments(tmp_path)
    store.probabilities = {fault: 1.0}
    async with bench(tmp_path, store) as b:
        await until(lambda: len(b.waits) >= 4)
        failure = b.shipper.last_failure
        assert failure is not None
        assert failure.permanent is (fault in PERMANENT)
        assert fault in NO_RESPONSE or failure.code == fault
        assert min(b.waits) == (5.0 if fault in PERMANENT else 0.2)
        assert (2, 0) == (b.files, b.counters.delivered)
        store.probabilities = {}
        await b.all_is_well()


@pytest.mark.parametrize("page", PAGES)
async def test_a_web_page_in_place_of_s3_acknowledges_no_object(
    tmp_path: Path, store: FaultyS3, page: str, expected_errors: list[str]
) -> None:
    expected_errors.append("delivery failed")
    sealed_segments(tmp_path)
    store.probabilities = {page: 1.0}
    async with bench(tmp_path, store) as b:
        await until(lambda: len(b.waits) >= 2)
        failure = b.shipper.last_failure
        assert failure is not None
        expected = "UnexpectedRedirect" if page == "web_page_moved" else "NotAcknowledged"
        assert (expected, True) == (failure.code, failure.permanent)
        assert (2, 0) == (b.files, b.counters.delivered)
        store.probabilities = {}
        await b.all_is_well()


async def test_a_store_that_refuses_connections_gets_everything_later(
    tmp_path: Path, store: FaultyS3
) -> None:
    sealed_segments(tmp_path)
    with ExitStack() as outage:
        outage.enter_context(store.refusing())
        async with bench(tmp_path, store) as b:
            await until(lambda: len(b.waits) >= 4)
            assert b.shipper.last_failure is not None
            assert not b.shipper.last_failure.permanent
            assert (2, 0) == (b.files, b.counters.delivered)
            outage.close()
            await b.all_is_well()


@pytest.mark.parametrize("fault", ["wrong_etag", "slow"])
async def test_a_wrong_etag_or_a_slow_store_is_no_failure(
    tmp_path: Path, store: FaultyS3, fault: str
) -> None:
    sealed_segments(tmp_path)
    store.probabilities = {fault: 1.0}
    async with bench(tmp_path, store) as b:
        await b.all_is_well()
        assert (None, []) == (b.shipper.last_failure, b.waits)
        assert store.stored.puts == EVENTS + 1


async def test_an_object_stored_without_a_response_is_not_stored_twice(
    tmp_path: Path, store: FaultyS3, caplog: pytest.LogCaptureFixture
) -> None:
    sealed_segments(tmp_path)
    store.probabilities = {"reset_after": 1.0}
    async with bench(tmp_path, store) as b:
        await until(lambda: len(store.stored.objects) == EVENTS + 1)
        puts_of_events = {key for key in store.stored.objects if key.endswith(".json")}
        assert len(puts_of_events) == EVENTS
        store.probabilities = {}
        await b.all_is_well()
    assert "objects already in store, not replaced" not in caplog.messages


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.usefixtures("short_timeout")
async def test_faults_of_all_kinds_at_once(
    tmp_path: Path, store: FaultyS3, seed: int, expected_errors: list[str]
) -> None:
    expected_errors.append("delivery failed")
    chance = random.Random(seed)
    kinds = [*ERRORS, *NO_RESPONSE, "wrong_etag"]
    sealed_segments(tmp_path)
    store.probabilities = {"AccessDenied": 1.0}
    async with bench(tmp_path, store) as b:
        # A busy machine may let an upload time out first, which is no permanent failure.
        await until(lambda: b.has_failed_permanently)
        store.probabilities = {kind: chance.choice([0.02, 0.1]) for kind in kinds}
        await until(lambda: len(b.waits) >= 6 or b.backlog.is_empty)
        store.probabilities = {}
        await b.all_is_well()


async def test_credentials_are_read_again_after_they_were_refused(
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
    async with bench(journal, store) as b:
        # Each retry would make a client anew, which is slow.
        b.may_retry.clear()
        await until(lambda: len(b.waits) >= 2)
        assert b.shipper.last_failure is not None
        assert b.shipper.last_failure.code == "InvalidAccessKeyId"
        credentials.write_text("[default]\naws_access_key_id=new\naws_secret_access_key=x\n")
        b.may_retry.set()
        await b.all_is_well()
