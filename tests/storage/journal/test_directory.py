from pathlib import Path

import pytest

from storage.journal.directory import JournalDirectory
from tests.storage.segments import NAME, contents, events, local, numbered_name, write_segment
from tests.support.failing_filesystem import FaultyFileSystem


def test_every_file_of_a_journal_is_in_its_directory(tmp_path: Path) -> None:
    journal = local(tmp_path)
    single = (journal.lock, journal.probe, journal.reserve, journal.segment(NAME))
    assert {"lock", "probe", "reserve", NAME.file_name} == {path.name for path in single}
    directories = (journal.staged, journal.ids, journal.quarantine)
    assert {"staged", "ids", "quarantine"} == {path.name for path in directories}
    assert {tmp_path} == {path.parent for path in (*single, *directories)}


def test_a_made_directory_is_durable_with_what_recovery_needs(tmp_path: Path) -> None:
    fs = FaultyFileSystem()
    journal = JournalDirectory(fs, tmp_path / "a" / "journal")
    for _ in range(2):
        journal.make()
        assert {journal.staged, journal.quarantine} == set(journal.path.iterdir())
    assert {"make_directory"} == set(fs.calls)


def test_segments_are_listed_open_and_sealed_and_nothing_else_is(tmp_path: Path) -> None:
    journal = local(tmp_path)
    journal.make()
    names = {NAME, numbered_name(1).sealed(3)}
    sizes = {(name, write_segment(tmp_path, events(3), name).stat().st_size) for name in names}
    for path in (journal.lock, journal.reserve, journal.probe, tmp_path / "mine.open"):
        path.write_bytes(b"no segment")
    assert sizes == set(journal.segments())


@pytest.mark.parametrize("left", [None, b"by a process that died"])
def test_a_probe_leaves_nothing(tmp_path: Path, left: bytes | None) -> None:
    journal = local(tmp_path)
    if left is not None:
        journal.probe.write_bytes(left)
    journal.check_writable()
    assert {} == contents(tmp_path)


@pytest.mark.parametrize("kind", ["create", "write", "sync", "close", "remove"])
def test_a_refused_probe_is_an_error(tmp_path: Path, kind: str) -> None:
    fs = FaultyFileSystem()
    journal = JournalDirectory(fs, tmp_path)
    fs.fail(kind, partial=7)
    with pytest.raises(OSError, match="Input/output"):
        journal.check_writable()
    assert {} == contents(tmp_path)
    journal.check_writable()


def test_entries_are_synced_in_the_directory_itself(tmp_path: Path) -> None:
    fs = FaultyFileSystem()
    JournalDirectory(fs, tmp_path).sync()
    assert ["sync_directory"] == fs.calls
