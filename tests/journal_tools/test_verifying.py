"""The command `verify`, run as an operator runs it."""

from pathlib import Path

from tests.journal_tools.tool import Tool
from tests.storage.segments import (
    events,
    flip,
    tear,
    write_sealed,
    write_segment,
)
from tests.support.server_process import ServerProcess

LINES = events(5)


def test_verify_finds_nothing_in_a_valid_journal(tool: Tool, journal: Path) -> None:
    write_sealed(journal, LINES)
    result = tool("verify", "--journal-dir", "journal")
    assert (0, "1 segment, 5 events, 0 corrupt\n") == (result.returncode, result.stdout)


def test_verify_reports_a_corrupt_range_with_file_and_offset(tool: Tool, journal: Path) -> None:
    segment = write_sealed(journal, events(100))
    path = journal / segment.name.file_name
    flip(path, path.read_bytes().index(b'"e7"'))
    result = tool("verify", "--journal-dir", "journal")
    assert result.returncode == 1
    assert f"CORRUPT  journal/{path.name} at byte " in result.stdout
    assert "the checksum of the lines does not match" in result.stdout
    assert "63 lines in it may be whole events" in result.stdout
    assert "1 segment, 36 events, 1 corrupt" in result.stdout


def test_verify_reports_missing_records(tool: Tool, journal: Path) -> None:
    write_sealed(journal, LINES, promised=7)
    result = tool("verify", "--journal-dir", "journal")
    assert result.returncode == 1
    assert "it was sealed with 7 events and holds 5" in result.stdout


def test_verify_does_not_take_a_torn_tail_for_corruption(tool: Tool, journal: Path) -> None:
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


def test_verify_reports_records_that_are_no_events(tool: Tool, journal: Path) -> None:
    write_sealed(journal, [*LINES, b'{"event_id":"no timestamp"}'])
    result = tool("verify", "--journal-dir", "journal")
    assert result.returncode == 1
    assert "no event with an event_id and a timestamp" in result.stdout
