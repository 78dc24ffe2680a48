"""The command `ship`, run as an operator runs it."""

import signal
import subprocess
from pathlib import Path

import pytest

from storage.journal.lock import DirectoryLock
from tests.faults.faulty_s3 import FaultyS3
from tests.journal_tools.tool import Tool, start_tool
from tests.storage.segments import (
    events,
    local,
    numbered_name,
    sealed_in,
    write_sealed,
)
from tests.support.objects import files
from tests.support.server_process import ServerProcess
from tests.support.waiting import WAIT_S, wait_until

LINES = events(5)


def test_ship_makes_the_objects_that_the_server_would_have_made(
    tool: Tool, server: ServerProcess, tmp_path: Path
) -> None:
    server.start(FLUSH_INTERVAL="1h", OBJECT_LAYOUT="batch", S3_PREFIX="a/b")
    for number in range(30):
        server.post({"event_id": f"e{number}", "event_type": "c"})
    server.kill()
    subprocess.run(["cp", "-r", server.journal, tmp_path / "copy"], check=True)
    server.start(OBJECT_LAYOUT="event", S3_PREFIX="events", FLUSH_INTERVAL="1h")
    server.wait_until_delivered()
    result = tool("ship", "--journal-dir", "copy", STORAGE_DIR="other", OBJECT_LAYOUT="event")
    assert "30 events delivered, 0 lost, 0 left\n" == result.stdout
    assert 0 == result.returncode
    assert files(server.store) == files(tmp_path / "other")
    assert [] == [path.name for path in (tmp_path / "copy").glob("2026*")]


def test_a_server_that_starts_there_later_knows_the_ids_of_shipped_events(
    tool: Tool, server: ServerProcess
) -> None:
    server.start(FLUSH_INTERVAL="1h")
    server.post({"event_id": "e1", "event_type": "c"})
    server.kill()
    assert 0 == tool("ship", "--journal-dir", "journal", STORAGE_DIR="store").returncode
    server.start(FLUSH_INTERVAL="20ms")
    assert server.post({"event_id": "e1", "event_type": "c"}).json()["duplicate"]
    server.wait_until_delivered()
    assert 1 == len(files(server.store))


def test_ship_does_not_store_into_the_journal(tool: Tool, journal: Path) -> None:
    write_sealed(journal, LINES)
    result = tool("ship", "--journal-dir", "journal", STORAGE_DIR="journal/store")
    assert (2, True) == (result.returncode, "must be apart" in result.stderr)
    assert [5] == [each.events for each in sealed_in(journal)]


def test_ship_refuses_a_directory_that_a_server_uses(tool: Tool, journal: Path) -> None:
    lock = DirectoryLock(local(journal))
    result = tool("ship", "--journal-dir", "journal", STORAGE_DIR="store")
    lock.release()
    assert (1, 1) == (result.returncode, result.stderr.count("\n"))
    assert "is in use by another process" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ship_may_be_interrupted_and_repeated(
    tool: Tool, journal: Path, tmp_path: Path, number: signal.Signals
) -> None:
    for each in range(10):
        lines = events(10 * each + 10)[10 * each :]
        write_sealed(journal, lines, numbered_name(each, "event"))
    with FaultyS3() as store:
        store.probabilities = {"SlowDown": 0.3}
        settings = {**store.settings, "UPLOAD_CONCURRENCY": "1"}
        first = start_tool(tmp_path, "ship", "--journal-dir", "journal", **settings)
        wait_until(lambda: store.stored.puts >= 15)
        # It cannot deliver everything before the signal arrives.
        store.probabilities = {"SlowDown": 1.0}
        first.send_signal(number)
        output, _ = first.communicate(timeout=WAIT_S)
        assert first.returncode == (-number if number is signal.SIGKILL else 1)
        assert number is signal.SIGKILL or b"can be shipped again" in output
        store.probabilities = {}
        assert 0 == tool("ship", "--journal-dir", "journal", **settings).returncode
        assert 100 == len(store.stored.objects)
        assert [] == store.stored.differing


def test_ship_reports_a_failed_delivery_at_once(journal: Path, tmp_path: Path) -> None:
    write_sealed(journal, LINES)
    with FaultyS3() as store:
        store.probabilities = {"AccessDenied": 1.0}
        process = start_tool(tmp_path, "ship", "--journal-dir", "journal", **store.settings)
        assert process.stderr is not None
        assert b"AccessDenied" in process.stderr.readline()
        process.kill()
        process.communicate()
    assert [5] == [each.events for each in sealed_in(journal)]
