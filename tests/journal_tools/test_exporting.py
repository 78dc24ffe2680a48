"""The command `export`, run as an operator runs it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from tests.journal_tools.tool import Tool, environment, start_tool
from tests.storage.segments import (
    NAME,
    events,
    flip,
    numbered_name,
    write_sealed,
    write_segment,
)
from tests.support.objects import events_in, files
from tests.support.waiting import WAIT_S

LINES = events(5)


def test_export_writes_every_event_unmodified(tool: Tool, journal: Path) -> None:
    write_sealed(journal, LINES)
    write_segment(journal, events(8)[5:], numbered_name(1))
    result = tool("export", "--journal-dir", "journal")
    assert sorted(events(8)) == sorted(result.stdout.encode().splitlines())
    assert (0, "") == (result.returncode, result.stderr)
    one = tool("export", "--journal-dir", "journal", NAME.id)
    assert LINES == one.stdout.encode().splitlines()


def test_export_leaves_corrupt_ranges_out_and_reports_them(tool: Tool, journal: Path) -> None:
    segment = write_sealed(journal, LINES, each_alone=True)
    flip(journal / segment.name.file_name, 50)
    result = tool("export", "--journal-dir", "journal")
    assert (1, LINES[1:]) == (result.returncode, result.stdout.encode().splitlines())
    assert "at byte 0: the checksum of the lines does not match" in result.stderr


def test_export_salvages_lines_that_still_are_events_only_if_asked_to(
    tool: Tool, journal: Path
) -> None:
    segment = write_sealed(journal, events(100))
    flip(journal / segment.name.file_name, 50)
    result = tool("export", "--journal-dir", "journal")
    assert (1, events(100)[64:]) == (result.returncode, result.stdout.encode().splitlines())
    salvaged = tool("export", "--salvage", "--journal-dir", "journal")
    assert (1, events(100)[1:]) == (salvaged.returncode, salvaged.stdout.encode().splitlines())
    assert result.stderr == salvaged.stderr


def test_export_ends_when_its_reader_does(journal: Path, tmp_path: Path) -> None:
    write_sealed(journal, events(20_000))
    command = f"{sys.executable} -m journal_tools export --journal-dir journal | head -1"
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        check=False,
    )
    assert (0, b"", 1) == (result.returncode, result.stderr, result.stdout.count(b"\n"))


def test_an_interrupt_prints_no_traceback(journal: Path, tmp_path: Path) -> None:
    write_sealed(journal, events(20_000))
    with start_tool(tmp_path, "export", "--journal-dir", "journal") as process:
        assert process.stdout is not None
        process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=WAIT_S)
    assert (130, b"") == (process.returncode, errors)


def test_the_exported_events_are_those_that_are_shipped(
    tool: Tool, journal: Path, tmp_path: Path
) -> None:
    write_sealed(journal, LINES)
    exported = tool("export", "--journal-dir", "journal").stdout.splitlines()
    tool("ship", "--journal-dir", "journal", STORAGE_DIR="store")
    shipped = events_in(files(tmp_path / "store"))
    ids = [json.loads(line)["event_id"] for line in exported]
    assert sorted(ids) == sorted(each["event_id"] for each in shipped)
