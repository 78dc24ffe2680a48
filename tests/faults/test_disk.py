"""The whole server on a disk that fails: events are refused until the disk works again."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.objects import events_in, files
from tests.support.server_process import ServerProcess
from tests.support.waiting import wait_until


class Disk:
    """A server on a disk whose faults the test turns on and off."""

    def __init__(self, directory: Path) -> None:
        self.control = directory / "disk"
        self.server = ServerProcess(directory, module=("tests.faults.disk", str(self.control)))
        self.acknowledged: list[str] = []
        self.sent = 0

    def set_fault(self, text: str) -> None:
        """Let calls fail as `ControlledFaults` says; the empty text ends that."""
        new = self.control.with_suffix(".new")
        new.write_text(text)
        new.rename(self.control)

    def send(self) -> int:
        """Send a new event, and return the status of the response."""
        self.sent += 1
        event_id = f"e{self.sent}"
        response = self.server.post({"event_id": event_id, "event_type": "c"})
        if response.ok:
            self.acknowledged.append(event_id)
        else:
            assert "journal_unavailable" == response.json()["error"]["code"]
            assert 1 <= int(response.headers["Retry-After"]) <= 300
        return response.status_code

    def send_until(self, status: int) -> None:
        wait_until(lambda: self.send() == status, lambda: self.server.log()[-20:])

    def is_ready(self) -> bool:
        return self.server.get("/ready").status_code == 200

    def delivered(self) -> Counter[str]:
        return Counter(event["event_id"] for event in events_in(files(self.server.store)))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path)
    yield disk
    disk.server.clean_up()


FAULTS = [
    "full",
    "write ENOSPC",
    "write EDQUOT",
    "write EIO",
    "sync EIO",
    "sync,truncate EIO",
    "create EMFILE",
    "create,write ENOSPC",
    "sync_directory EIO",
    "rename EIO",
    "change EROFS",
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_disk_that_fails_is_a_503_and_the_server_recovers_by_itself(
    disk: Disk, fault: str
) -> None:
    disk.server.start(FLUSH_INTERVAL="100ms")
    assert 200 == disk.send()
    disk.set_fault(fault)
    disk.send_until(503)
    assert not disk.is_ready()
    assert 200 == disk.server.get("/health").status_code
    disk.set_fault("")
    disk.send_until(200)
    assert disk.is_ready()
    disk.server.wait_until_delivered()
    delivered = disk.delivered()
    assert set(disk.acknowledged) <= set(delivered)
    assert {1} == set(delivered.values())
    assert 0 == disk.server.stop()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_shutdown_on_a_disk_that_fails_ends_and_loses_nothing(disk: Disk, fault: str) -> None:
    disk.server.start(FLUSH_INTERVAL="1h", DRAIN_TIMEOUT="1s")
    for _ in range(3):
        disk.send()
    disk.set_fault(fault)
    assert 0 == disk.server.stop()
    disk.set_fault("")
    disk.server.start()
    disk.server.wait_until_delivered()
    assert set(disk.acknowledged) == set(disk.delivered())
    assert disk.server.post({"event_id": "e1", "event_type": "c"}).json()["duplicate"] is True


def test_on_a_full_disk_a_shutdown_seals_and_ships(disk: Disk) -> None:
    disk.server.start(FLUSH_INTERVAL="1h")
    for _ in range(3):
        disk.send()
    disk.set_fault("full")
    assert 0 == disk.server.stop()
    assert disk.server.log("shutdown: shipping ended")[0]["delivered_all"] is True
    assert {"e1": 1, "e2": 1, "e3": 1} == disk.delivered()


@pytest.mark.parametrize("fault", ["full", "write ENOSPC"])
def test_a_start_on_a_full_disk_delivers_the_backlog(disk: Disk, fault: str) -> None:
    disk.server.start(FLUSH_INTERVAL="1h")
    for _ in range(3):
        disk.send()
    disk.server.kill()
    disk.set_fault(fault)
    disk.server.start(S3_CONDITIONAL_WRITES="auto")
    disk.set_fault("")
    disk.server.wait_until_delivered()
    assert {"e1": 1, "e2": 1, "e3": 1} == disk.delivered()
