"""The command line: arguments, settings, exit codes."""

from pathlib import Path

import pytest

from tests.journal_tools.tool import Tool
from tests.storage.segments import DAY, SEGMENT_ID, events, numbered_name, write_segment

LINES = events(5)


@pytest.mark.parametrize("command", ["ls", "verify", "export", "ship"])
def test_a_directory_that_is_not_a_journal_is_left_unchanged(
    tool: Tool, tmp_path: Path, command: str
) -> None:
    (tmp_path / "home").mkdir()
    result = tool(command, "--journal-dir", "home", STORAGE_DIR="store")
    assert (1, "") == (result.returncode, result.stdout)
    assert "home is not a journal" in result.stderr
    assert [] == list((tmp_path / "home").iterdir())


def test_an_unreadable_file_of_settings_is_reported(
    tool: Tool, journal: Path, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe=1")
    result = tool("ls", "--journal-dir", journal.name)
    assert (2, 1) == (result.returncode, result.stderr.count("\n"))
    assert "the file .env cannot be read" in result.stderr


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
def test_a_failure_is_explained_without_a_traceback(
    tool: Tool, journal: Path, arguments: list[str], code: int, says: str
) -> None:
    result = tool(*arguments)
    assert (code, True) == (result.returncode, says in result.stderr)
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["ls", "verify", "export", "ship"])
def test_segments_of_format_1_are_reported_and_left_as_they_are(
    tool: Tool, journal: Path, command: str
) -> None:
    old = journal / f"{SEGMENT_ID}.auto-100.events.5.sealed"
    staged = journal / "staged" / f"{SEGMENT_ID}.{DAY}.ndjson.gz"
    old.write_bytes(b'73ffe409 {"event_id":"a"}\n')
    staged.write_bytes(b"staged")
    write_segment(journal, LINES, numbered_name(1, count=5))
    result = tool(command, "--journal-dir", "journal", STORAGE_DIR="store")
    assert 1 == result.returncode
    expected = f"journal/{old.name} is of journal format 1, which only versions before 0.1.0 read"
    assert expected in result.stderr
    assert "deliver it with the version that wrote it" in result.stderr
    assert "Traceback" not in result.stderr
    assert (b'73ffe409 {"event_id":"a"}\n', b"staged") == (old.read_bytes(), staged.read_bytes())
    assert ("5 events delivered, 0 lost, 0 left" in result.stdout) is (command == "ship")


def test_a_directory_that_has_only_segments_of_format_1_is_a_journal(
    tool: Tool, tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / f"{SEGMENT_ID}.auto-100.events.open").write_bytes(b"")
    result = tool("verify", "--journal-dir", "old")
    assert (1, "0 segments, 0 events, 0 corrupt\n") == (result.returncode, result.stdout)
    assert "is of journal format 1" in result.stderr
