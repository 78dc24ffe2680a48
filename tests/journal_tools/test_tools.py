"""The operators' tools, as they are run."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from journal_tools.reading import read_events, up_to_present_end
from storage.journal.lock import DirectoryLock
from storage.journal.record import CorruptRange, Record, encode
from storage.journal.recovery import recover
from tests.faults.faulty_s3 import FaultyS3
from tests.storage.segments import (
    NAME,
    events,
    flip,
    local,
    numbered_name,
    sealed_in,
    tear,
    write_sealed,
    write_segment,
)
from tests.support.objects import events_in, files
from tests.support.server_process import ROOT, ServerProcess

LINES = events(5)


@pytest.fixture
def tool(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "journal_tools", *arguments],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    directory = tmp_path / "journal"
    recover(local(directory))
    return directory


Tool = Callable[..., subprocess.CompletedProcess[str]]


def listed(tool: Tool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        tool("ls", "--json", "--journal-dir", "journal").stdout
    )["segments"]
    return found


def test_ls_counts_the_events_of_sealed_and_open_segments(tool: Tool, journal: Path) -> None:
    write_sealed(journal, LINES)
    path = write_segment(journal, LINES[:3], numbered_name(1, "batch"))
    tear(path, path.stat().st_size - 4)
    (journal / "quarantine" / "x.bad").write_bytes(b"12345")
    keys = ("segment", "state", "events", "bytes", "layout", "prefix")
    sealed, opened = sorted(listed(tool), key=lambda row: str(row["state"]), reverse=True)
    assert [NAME.id, "sealed", 5] == [sealed[key] for key in keys[:3]]
    assert [numbered_name(1).id, "open", 2, path.stat().st_size, "batch", "events"] == [
        opened[key] for key in keys
    ]
    text = tool("ls", "--journal-dir", "journal").stdout
    assert "2 segments" in text
    assert "quarantine/: 1 file, 5 B" in text


def test_ls_looks_where_the_settings_say(tool: Tool, journal: Path, tmp_path: Path) -> None:
    write_sealed(journal, LINES)
    assert NAME.id in tool("ls", JOURNAL_DIR="journal").stdout
    (tmp_path / ".env").write_text("JOURNAL_DIR=journal\n")
    assert NAME.id in tool("ls").stdout


def test_ls_of_a_journal_at_work(tool: Tool, server: ServerProcess) -> None:
    server.start(FLUSH_INTERVAL="1h")
    for number in range(7):
        server.post({"event_id": f"e{number}", "event_type": "c"})
    (row,) = listed(tool)
    assert ("open", 7) == (row["state"], row["events"])
    assert 0 == tool("verify", "--journal-dir", "journal").returncode
    exported = tool("export", "--journal-dir", "journal").stdout.splitlines()
    assert [f"e{n}" for n in range(7)] == [json.loads(line)["event_id"] for line in exported]


def test_verify_finds_nothing_in_a_good_journal(tool: Tool, journal: Path) -> None:
    write_sealed(journal, LINES)
    result = tool("verify", "--journal-dir", "journal")
    assert (0, "1 segment, 5 events, 0 corrupt\n") == (result.returncode, result.stdout)


def test_verify_tells_damage_with_file_and_offset(tool: Tool, journal: Path) -> None:
    segment = write_sealed(journal, LINES)
    path = journal / segment.name.file_name
    flip(path, 100)
    result = tool("verify", "--journal-dir", "journal")
    assert result.returncode == 1
    assert f"CORRUPT  journal/{path.name} at byte " in result.stdout
    assert "checksum does not match" in result.stdout
    assert "1 segment, 4 events, 1 corrupt" in result.stdout


def test_verify_tells_records_that_are_missing(tool: Tool, journal: Path) -> None:
    write_sealed(journal, LINES, promised=7)
    result = tool("verify", "--journal-dir", "journal")
    assert result.returncode == 1
    assert "it was sealed with 7 records and holds 5" in result.stdout


def test_verify_knows_a_torn_tail_from_damage(tool: Tool, journal: Path) -> None:
    path = write_segment(journal, LINES)
    tear(path, path.stat().st_size - 10)
    result = tool("verify", "--journal-dir", "journal")
    assert (0, True) == (result.returncode, result.stdout.startswith("torn  "))


def test_verify_checks_the_ids(tool: Tool, server: ServerProcess) -> None:
    server.start()
    for number in range(3):
        server.post({"event_id": f"e{number}", "event_type": "c"})
        server.wait_until_delivered()
    server.stop()
    (path,) = (server.journal / "ids").iterdir()
    assert 0 == (result := tool("verify", "--journal-dir", "journal")).returncode
    assert path.name not in result.stdout
    flip(path, 60)
    result = tool("verify", "--journal-dir", "journal")
    assert (1, True) == (result.returncode, f"CORRUPT  journal/ids/{path.name}" in result.stdout)


def test_verify_tells_records_that_are_no_events(tool: Tool, journal: Path) -> None:
    write_sealed(journal, [*LINES, b'{"event_id":"no timestamp"}'])
    result = tool("verify", "--journal-dir", "journal")
    assert result.returncode == 1
    assert "no event with an event_id and a timestamp" in result.stdout


class Growing(io.BytesIO):
    """A file to which a line is finished, and others added, after half of it was read."""

    def __init__(self, whole: bytes, visible: int) -> None:
        super().__init__(whole[:visible])
        self._rest = whole[visible:]

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if line and not line.endswith(b"\n"):
            self.grow()
        return line

    def read(self, size: int | None = -1, /) -> bytes:
        chunk = super().read(size)
        self.grow()
        return chunk

    def grow(self) -> None:
        at = self.tell()
        self.seek(0, io.SEEK_END)
        self.write(self._rest)
        self.seek(at)
        self._rest = b""


def test_a_line_that_is_being_written_is_torn_and_not_damaged() -> None:
    whole = encode(LINES, NAME.checksum_seed)
    visible = len(encode(LINES[:2], NAME.checksum_seed)) + 20
    found = list(read_events(up_to_present_end(Growing(whole, visible)), NAME))
    assert LINES[:2] == [each.line for each in found if isinstance(each, Record)]
    assert [True] == [each.at_end for each in found if isinstance(each, CorruptRange)]


def test_export_gives_every_event_as_it_was_written(tool: Tool, journal: Path) -> None:
    write_sealed(journal, LINES)
    write_segment(journal, events(8)[5:], numbered_name(1))
    result = tool("export", "--journal-dir", "journal")
    assert sorted(events(8)) == sorted(result.stdout.encode().splitlines())
    assert (0, "") == (result.returncode, result.stderr)
    one = tool("export", "--journal-dir", "journal", NAME.id)
    assert LINES == one.stdout.encode().splitlines()


def test_export_leaves_damage_out_and_says_so(tool: Tool, journal: Path) -> None:
    segment = write_sealed(journal, LINES)
    flip(journal / segment.name.file_name, 15)
    result = tool("export", "--journal-dir", "journal")
    assert (1, LINES[1:]) == (result.returncode, result.stdout.encode().splitlines())
    assert "at byte 0: the checksum does not match" in result.stderr


def test_export_ends_when_nobody_reads_on(journal: Path, tmp_path: Path) -> None:
    write_sealed(journal, events(20_000))
    command = f"{sys.executable} -m journal_tools export --journal-dir journal | head -1"
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert (0, b"", 1) == (result.returncode, result.stderr, result.stdout.count(b"\n"))


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


def test_ids_of_what_was_shipped_are_known_to_a_server_that_starts_there(
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


@pytest.mark.parametrize("command", ["ls", "verify", "export", "ship"])
def test_a_directory_that_is_no_journal_stays_as_it_is(
    tool: Tool, tmp_path: Path, command: str
) -> None:
    (tmp_path / "home").mkdir()
    result = tool(command, "--journal-dir", "home", STORAGE_DIR="store")
    assert (1, "") == (result.returncode, result.stdout)
    assert "home is not a journal" in result.stderr
    assert [] == list((tmp_path / "home").iterdir())


def test_ship_does_not_store_into_the_journal(tool: Tool, journal: Path) -> None:
    write_sealed(journal, LINES)
    result = tool("ship", "--journal-dir", "journal", STORAGE_DIR="journal/store")
    assert (2, True) == (result.returncode, "must be apart" in result.stderr)
    assert [5] == [each.events for each in sealed_in(journal)]


def test_a_file_of_settings_that_cannot_be_read_is_told(
    tool: Tool, journal: Path, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe=1")
    result = tool("ls", "--journal-dir", journal.name)
    assert (2, 1) == (result.returncode, result.stderr.count("\n"))
    assert "the file .env cannot be read" in result.stderr


def test_an_interrupt_is_no_traceback(journal: Path, tmp_path: Path) -> None:
    write_sealed(journal, events(20_000))
    with subprocess.Popen(
        [sys.executable, "-m", "journal_tools", "export", "--journal-dir", "journal"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (130, b"") == (process.returncode, said)


def test_ship_refuses_a_journal_at_work(tool: Tool, journal: Path) -> None:
    lock = DirectoryLock(local(journal))
    result = tool("ship", "--journal-dir", "journal", STORAGE_DIR="store")
    lock.release()
    assert (1, 1) == (result.returncode, result.stderr.count("\n"))
    assert "is in use by another process" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ship_may_be_stopped_and_run_again(
    tool: Tool, journal: Path, tmp_path: Path, number: signal.Signals
) -> None:
    for each in range(10):
        lines = events(10 * each + 10)[10 * each :]
        write_sealed(journal, lines, numbered_name(each, "event"))
    with FaultyS3() as store:
        store.probabilities = {"SlowDown": 0.3}
        settings = {**store.settings, "UPLOAD_CONCURRENCY": "1"}
        first = subprocess.Popen(
            [sys.executable, "-m", "journal_tools", "ship", "--journal-dir", "journal"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        while store.stored.puts < 15:
            time.sleep(0.01)
        first.send_signal(number)
        said, _ = first.communicate(timeout=60)
        assert first.returncode == (-number if number is signal.SIGKILL else 1)
        assert number is signal.SIGKILL or b"can be shipped again" in said
        store.probabilities = {}
        assert 0 == tool("ship", "--journal-dir", "journal", **settings).returncode
        assert 100 == len(store.stored.objects)
        assert [] == store.stored.differing


def test_what_the_store_refuses_is_told_at_once(journal: Path, tmp_path: Path) -> None:
    write_sealed(journal, LINES)
    with FaultyS3() as store:
        store.probabilities = {"AccessDenied": 1.0}
        process = subprocess.Popen(
            [sys.executable, "-m", "journal_tools", "ship", "--journal-dir", "journal"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **store.settings},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        assert process.stderr is not None
        assert b"AccessDenied" in process.stderr.readline()
        process.kill()
        process.communicate()
    assert [5] == [each.events for each in sealed_in(journal)]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "the following arguments are required: COMMAND"),
        (["tidy"], 2, "invalid choice: 'tidy'"),
        (["ls", "--journal-dir", "nowhere"], 1, "nowhere is not a directory"),
        (["export", "--journal-dir", "journal", "x"], 1, "no segment has the id x"),
        (["ship", "--journal-dir", "journal"], 2, "S3_BUCKET_NAME"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    tool: Tool, journal: Path, arguments: list[str], code: int, says: str
) -> None:
    result = tool(*arguments)
    assert (code, True) == (result.returncode, says in result.stderr)
    assert "Traceback" not in result.stderr


def test_the_events_that_were_exported_are_those_that_are_shipped(
    tool: Tool, journal: Path, tmp_path: Path
) -> None:
    write_sealed(journal, LINES)
    exported = tool("export", "--journal-dir", "journal").stdout.splitlines()
    tool("ship", "--journal-dir", "journal", STORAGE_DIR="store")
    shipped = events_in(files(tmp_path / "store"))
    ids = [json.loads(line)["event_id"] for line in exported]
    assert sorted(ids) == sorted(each["event_id"] for each in shipped)
