"""The whole server on a disk that fails: refused out loud, and back by itself."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.objects import events_in, files
from tests.support.server_process import ServerProcess
from tests.support.waiting import wait_until


class Disk:
    """A server, and the disk under it."""

    def __init__(self, directory: Path) -> None:
        self.control = directory / "disk"
        self.server = ServerProcess(directory, module=("tests.faults.disk", str(self.control)))
        self.acknowledged: list[str] = []
        self.sent = 0

    def turn(self, text: str) -> None:
        new = self.control.with_suffix(".new")
        new.write_text(text)
        new.rename(self.control)

    def send(self) -> int:
        """Send a new event; the status of the answer."""
        self.sent += 1
        event_id = f"e{self.sent}"
        answer = self.server.post({"event_id": event_id, "event_type": "c"})
        if answer.ok:
            self.acknowledged.append(event_id)
        else:
            assert answer.json()["error"]["code"] == "journal_unavailable"
            assert 1 <= int(answer.headers["Retry-After"]) <= 300
        return answer.status_code

    def send_until(self, status: int) -> None:
        wait_until(lambda: self.send() == status, lambda: self.server.log()[-20:])

    def is_ready(self) -> bool:
        return self.server.get("/ready").status_code == 200

    def stored(self) -> Counter[str]:
        return Counter(event["event_id"] for event in events_in(files(self.server.store)))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path)
    yield disk
    disk.server.clean_up()


TROUBLES = [
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


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_disk_in_trouble_is_a_503_and_the_server_recovers_by_itself(
    disk: Disk, trouble: str
) -> None:
    disk.server.start(FLUSH_INTERVAL="100ms")
    assert disk.send() == 200
    disk.turn(trouble)
    disk.send_until(503)
    assert not disk.is_ready()
    assert disk.server.get("/health").status_code == 200
    disk.turn("")
    disk.send_until(200)
    assert disk.is_ready()
    disk.server.wait_until_delivered()
    stored = disk.stored()
    assert set(disk.acknowledged) <= set(stored)
    assert set(stored.values()) == {1}
    assert disk.server.stop() == 0


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_shutdown_on_a_disk_in_trouble_ends_and_loses_nothing(disk: Disk, trouble: str) -> None:
    disk.server.start(FLUSH_INTERVAL="1h", DRAIN_TIMEOUT="1s")
    for _ in range(3):
        disk.send()
    disk.turn(trouble)
    assert disk.server.stop() == 0
    disk.turn("")
    disk.server.start()
    disk.server.wait_until_delivered()
    assert set(disk.acknowledged) == set(disk.stored())
    again = disk.server.post({"event_id": "e1", "event_type": "c"}).json()
    assert again["duplicate"] is True


def test_on_a_full_disk_a_shutdown_seals_and_ships(disk: Disk) -> None:
    disk.server.start(FLUSH_INTERVAL="1h")
    for _ in range(3):
        disk.send()
    disk.turn("full")
    assert disk.server.stop() == 0
    assert disk.server.log("shutdown: shipping ended")[0]["delivered_all"] is True
    assert disk.stored() == {"e1": 1, "e2": 1, "e3": 1}


@pytest.mark.parametrize("trouble", ["full", "write ENOSPC"])
def test_a_start_on_a_full_disk_ships_what_is_there(disk: Disk, trouble: str) -> None:
    disk.server.start(FLUSH_INTERVAL="1h")
    for _ in range(3):
        disk.send()
    disk.server.kill()
    disk.turn(trouble)
    disk.server.start(S3_CONDITIONAL_WRITES="auto")
    disk.turn("")
    disk.server.wait_until_delivered()
    assert disk.stored() == {"e1": 1, "e2": 1, "e3": 1}
