from pathlib import Path
from typing import Any, cast

import pytest

from storage.counters import Counters
from storage.delivery.shipper import Shipper
from storage.delivery.uploader import DeliveryFailure
from storage.journal.backlog import Backlog
from storage.journal.journal import Journal
from storage.journal.segment import SealedSegment
from storage.status import delivery_status
from tests.storage.segments import local, numbered_name

SEALED = SealedSegment(numbered_name(1, count=7), 5000)
BEGUN = SEALED.name.created_at


class FakeJournal:
    held_events = 0
    held_bytes = 0
    open_since: float | None = None


class FakeShipper:
    already_in_store = 3
    late_conflicts = 2
    unverified = 1
    last_delivery_at: float | None = None
    last_failure: DeliveryFailure | None = None


class Bench:
    """The status of a backlog with journal and shipper of the test's making."""

    def __init__(self, directory: Path) -> None:
        self.counters = Counters(delivered=2)
        self.backlog = Backlog(local(directory), self.counters)
        self.journal = FakeJournal()
        self.shipper = FakeShipper()

    def status(self, now: float = BEGUN + 10.04) -> dict[str, Any]:
        journal, shipper = cast(Journal, self.journal), cast(Shipper, self.shipper)
        return delivery_status(self.backlog, journal, shipper, self.counters, now)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_backlog_without_pending_events_is_zero(bench: Bench) -> None:
    found = bench.status()
    assert {"events": 0, "bytes": 0, "seconds": 0.0} == found["backlog"]
    assert [3, 2, 1] == [
        found[each] for each in ("already_in_store", "late_conflicts", "unverified")
    ]
    assert (None, None) == (found["last_delivery"], found["last_error"])


def test_open_and_sealed_events_are_pending(bench: Bench) -> None:
    bench.backlog.add(SEALED)
    bench.journal.held_events, bench.journal.held_bytes = 5, 300
    found = bench.status()
    assert {"events": 12, "bytes": 8192 + 300, "seconds": 10.0} == found["backlog"]
    assert (12, 2) == (found["events"]["pending"], found["events"]["delivered"])


@pytest.mark.parametrize(("open_since", "expected"), [(BEGUN - 5, 15.0), (BEGUN + 5, 10.0)])
def test_the_backlog_is_as_old_as_its_oldest_event(
    bench: Bench, open_since: float, expected: float
) -> None:
    bench.backlog.add(SEALED)
    bench.journal.open_since = open_since
    assert expected == bench.status()["backlog"]["seconds"]


def test_a_clock_that_was_set_back_makes_no_negative_age(bench: Bench) -> None:
    bench.backlog.add(SEALED)
    assert 0.0 == bench.status(now=BEGUN - 60)["backlog"]["seconds"]


def test_the_last_error_names_neither_bucket_nor_identity(bench: Bench) -> None:
    secret = "arn:aws:iam::1:user/me may not put into my-bucket"
    bench.shipper.last_failure = DeliveryFailure(BEGUN, "AccessDenied", secret, permanent=True)
    bench.shipper.last_delivery_at = BEGUN + 1
    found = bench.status()
    assert "2026-11-23T17:30:01.123Z" == found["last_delivery"]
    assert {
        "timestamp": "2026-11-23T17:30:00.123Z",
        "code": "AccessDenied",
        "permanent": True,
    } == found["last_error"]
    assert "my-bucket" not in str(found)
