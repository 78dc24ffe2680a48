"""The command `ls`, run as an operator runs it."""

import json
from pathlib import Path

from tests.journal_tools.tool import Tool, listed
from tests.storage.segments import (
    NAME,
    events,
    numbered_name,
    tear,
    write_sealed,
    write_segment,
)
from tests.support.server_process import ServerProcess

LINES = events(5)


def test_ls_counts_the_events_of_sealed_and_open_segments(tool: Tool, journal: Path) -> None:
    write_sealed(journal, LINES)
    path = write_segment(journal, LINES[:3], numbered_name(1, "batch"), each_alone=True)
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


def test_ls_lists_the_directory_of_the_settings(tool: Tool, journal: Path, tmp_path: Path) -> None:
    write_sealed(journal, LINES)
    assert NAME.id in tool("ls", JOURNAL_DIR="journal").stdout
    (tmp_path / ".env").write_text("JOURNAL_DIR=journal\n")
    assert NAME.id in tool("ls").stdout


def test_a_journal_can_be_read_while_a_server_uses_it(tool: Tool, server: ServerProcess) -> None:
    server.start(FLUSH_INTERVAL="1h")
    for number in range(7):
        server.post({"event_id": f"e{number}", "event_type": "c"})
    (row,) = listed(tool)
    assert ("open", 7) == (row["state"], row["events"])
    assert 0 == tool("verify", "--journal-dir", "journal").returncode
    exported = tool("export", "--journal-dir", "journal").stdout.splitlines()
    assert [f"e{n}" for n in range(7)] == [json.loads(line)["event_id"] for line in exported]
