import errno
import logging
from pathlib import Path

import pytest

from storage.journal.directory import JournalDirectory
from storage.journal.quarantine import quarantine_range, report_corruption
from storage.journal.record import CorruptRange
from tests.storage.segments import NAME, SEGMENT_ID, events, local, quarantined, write_segment
from tests.support.failing_filesystem import FaultyFileSystem

COPY = f"{SEGMENT_ID}.7.bad"


def corrupt(offset: int = 7, length: int = 20) -> CorruptRange:
    return CorruptRange(offset, length, "the checksum does not match", False, True)


def test_a_copy_has_only_the_bytes_of_the_range(tmp_path: Path) -> None:
    raw = write_segment(tmp_path, events(3)).read_bytes()
    copy = quarantine_range(local(tmp_path), NAME, corrupt())
    assert {COPY: raw[7:27]} == quarantined(tmp_path)
    assert tmp_path / "quarantine" / COPY == copy
    assert raw == (tmp_path / NAME.file_name).read_bytes()


def test_a_copy_is_durable_on_return(tmp_path: Path) -> None:
    write_segment(tmp_path, events(3))
    fs = FaultyFileSystem()
    quarantine_range(JournalDirectory(fs, tmp_path), NAME, corrupt())
    expected = ["create", "write", "sync", "close", "sync_directory"]
    assert expected == [call for call in fs.calls if call in expected]


def test_a_repeated_copy_is_the_same(tmp_path: Path) -> None:
    write_segment(tmp_path, events(3))
    quarantine_range(local(tmp_path), NAME, corrupt())
    once = quarantined(tmp_path)
    quarantine_range(local(tmp_path), NAME, corrupt())
    assert once == quarantined(tmp_path)


def test_a_copy_that_was_cut_short_is_replaced(tmp_path: Path) -> None:
    raw = write_segment(tmp_path, events(3)).read_bytes()
    journal = local(tmp_path)
    journal.make()
    (journal.quarantine / COPY).write_bytes(raw[7:9])
    quarantine_range(journal, NAME, corrupt())
    assert {COPY: raw[7:27]} == quarantined(tmp_path)


def test_the_ranges_of_a_segment_have_copies_of_their_own(tmp_path: Path) -> None:
    raw = write_segment(tmp_path, events(3)).read_bytes()
    for each in (corrupt(), corrupt(offset=40, length=len(raw))):
        quarantine_range(local(tmp_path), NAME, each)
    assert {COPY: raw[7:27], f"{SEGMENT_ID}.40.bad": raw[40:]} == quarantined(tmp_path)


@pytest.mark.parametrize("kind", ["make_directory", "open_read", "create", "write", "sync"])
def test_a_copy_that_fails_is_an_error_and_leaves_no_part_of_it(tmp_path: Path, kind: str) -> None:
    raw = write_segment(tmp_path, events(3)).read_bytes()
    local(tmp_path).make()
    fs = FaultyFileSystem()
    fs.fail(kind, code=errno.ENOSPC, partial=5)
    with pytest.raises(OSError, match="No space"):
        quarantine_range(JournalDirectory(fs, tmp_path), NAME, corrupt())
    assert {} == quarantined(tmp_path)
    assert raw == (tmp_path / NAME.file_name).read_bytes()


def test_corruption_is_reported_with_its_place_its_cause_and_the_copy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, expected_errors: list[str]
) -> None:
    expected_errors.append("segment is corrupt")
    report_corruption(local(tmp_path), NAME, corrupt())
    (record,) = caplog.records
    assert logging.ERROR == record.levelno
    assert {
        "file": str(tmp_path / NAME.file_name),
        "offset": 7,
        "bytes": 20,
        "cause": "the checksum does not match",
        "quarantined": str(tmp_path / "quarantine" / COPY),
    } == vars(record)["fields"]
