"""The command line: arguments, settings, exit codes."""

from pathlib import Path

import pytest

from tests.journal_tools.tool import Tool
from tests.storage.segments import (
    events,
)

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
