import errno
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from storage.journal.directory import JournalDirectory
from storage.journal.record import encode
from storage.journal.recovery import recover
from storage.journal.segment import KeyRules, SegmentName
from tests.storage.segments import (
    DAY,
    NAME,
    SEGMENT_ID,
    contents,
    delivered_lines,
    event,
    events,
    flip,
    local,
    numbered_name,
    offsets,
    quarantined,
    scanned,
    sealed_in,
    tear,
    write_sealed,
    write_segment,
)
from tests.support.failing_filesystem import FaultyFileSystem
from tests.support.fault_policies import Fault

# One record for each event.
write_records = partial(write_segment, each_alone=True)
write_sealed_records = partial(write_sealed, each_alone=True)
LINES = events(5)
STARTS = offsets(LINES)
MIDDLE = range(STARTS[2], STARTS[3])


def logged(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, object]]:
    return [vars(record)["fields"] for record in caplog.records if record.message == message]


def counts(directory: Path) -> list[int]:
    return [segment.events for segment in sealed_in(directory)]


@pytest.mark.parametrize("kept", range(len(LINES)))
def test_every_cut_keeps_exactly_the_whole_records_before_it(tmp_path: Path, kept: int) -> None:
    for cut in range(STARTS[kept], STARTS[kept + 1]):
        directory = tmp_path / str(cut)
        directory.mkdir()
        tear(write_records(directory, LINES), at=cut)
        recover(local(directory))
        assert (cut, [kept] if kept else []) == (cut, counts(directory))
        assert LINES[:kept] == delivered_lines(directory)
        assert [STARTS[kept]] * bool(kept) == [segment.size for segment in sealed_in(directory)]
        assert quarantined(directory) == {}


def test_a_whole_segment_is_sealed_as_it_is(tmp_path: Path) -> None:
    raw = write_records(tmp_path, LINES).read_bytes()
    recover(local(tmp_path))
    assert {NAME.sealed(5).file_name: raw} == contents(tmp_path)
    assert delivered_lines(tmp_path) == LINES


MASKS: dict[str, Callable[[int], int]] = {
    "lowest bit": lambda _: 0x01,
    "case bit": lambda _: 0x20,
    "highest bit": lambda _: 0x80,
    "all bits": lambda _: 0xFF,
    "to zero": lambda byte: byte,
    "to a newline": lambda byte: byte ^ 0x0A,
}


@pytest.mark.parametrize("pattern", MASKS)
@pytest.mark.parametrize("left_open", [True, False])
def test_every_corrupt_byte_costs_its_record_and_no_other(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    expected_errors: list[str],
    pattern: str,
    left_open: bool,
) -> None:
    expected_errors.append("segment is corrupt")
    for byte in MIDDLE:
        directory = tmp_path / str(byte)
        directory.mkdir()
        path = write_records(directory, LINES, NAME if left_open else NAME.sealed(5))
        mask = MASKS[pattern](path.read_bytes()[byte])
        if mask == 0:
            continue
        flip(path, byte, mask)
        corrupted = path.read_bytes()[MIDDLE.start : MIDDLE.stop]
        caplog.clear()
        recover(local(directory))
        assert LINES[:2] + LINES[3:] == delivered_lines(directory)
        assert {f"{SEGMENT_ID}.{MIDDLE.start}.bad": corrupted} == quarantined(directory)
        (fields,) = logged(caplog, "segment is corrupt")
        sealed = directory / NAME.sealed(4 if left_open else 5).file_name
        assert (str(sealed), MIDDLE.start, len(MIDDLE)) == (
            fields["file"],
            fields["offset"],
            fields["bytes"],
        )


def test_corruption_is_reported_with_its_cause_and_its_copy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, expected_errors: list[str]
) -> None:
    expected_errors.append("segment is corrupt")
    path = write_records(tmp_path, LINES)
    flip(path, MIDDLE.stop - 3)
    corrupted = path.read_bytes()[MIDDLE.start : MIDDLE.stop]
    recover(local(tmp_path))
    delivered_lines(tmp_path)
    (fields,) = logged(caplog, "segment is corrupt")
    assert fields["cause"] == "the checksum of the lines does not match"
    assert Path(str(fields["quarantined"])).read_bytes() == corrupted


def test_a_zeroed_block_costs_only_the_records_it_touches(
    tmp_path: Path, expected_errors: list[str]
) -> None:
    expected_errors.append("segment is corrupt")
    path = write_records(tmp_path, LINES)
    raw = path.read_bytes()
    path.write_bytes(raw[: STARTS[1]] + bytes(STARTS[3] - STARTS[1]) + raw[STARTS[3] :])
    recover(local(tmp_path))
    assert delivered_lines(tmp_path) == [LINES[0], *LINES[3:]]


def test_a_stale_block_of_another_segment_is_not_delivered(tmp_path: Path) -> None:
    other = numbered_name(1)
    stale = write_records(tmp_path, events(9), other)
    path = write_records(tmp_path, LINES[:2])
    path.write_bytes(path.read_bytes() + stale.read_bytes())
    stale.unlink()
    recover(local(tmp_path))
    assert delivered_lines(tmp_path) == LINES[:2]
    assert counts(tmp_path) == [2]


def test_a_segment_that_has_only_stale_blocks_is_removed(tmp_path: Path) -> None:
    stale = write_records(tmp_path, LINES, numbered_name(1))
    raw = stale.read_bytes()
    stale.rename(tmp_path / NAME.file_name)
    recover(local(tmp_path))
    assert {f"quarantine/{SEGMENT_ID}.0.bad": raw} == contents(tmp_path)


@pytest.mark.parametrize(
    ("tail", "kept"),
    [
        (b"73ffe4", []),
        (bytes(4096), []),
        (b"73ffe409 {}\n", [b"73ffe409 {}\n"]),
        (b"73ffe409 {}\nhalf", [b"73ffe409 {}\nhalf"]),
    ],
)
def test_a_torn_tail_is_cut_off_and_quarantined_only_if_a_line_ends_in_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, tail: bytes, kept: list[bytes]
) -> None:
    path = write_records(tmp_path, LINES)
    path.write_bytes(path.read_bytes() + tail)
    recover(local(tmp_path))
    assert counts(tmp_path) == [5]
    assert delivered_lines(tmp_path) == LINES
    assert kept == list(quarantined(tmp_path).values())
    expected: dict[str, object] = {"segment": SEGMENT_ID, "offset": STARTS[5], "bytes": len(tail)}
    if kept:
        expected["quarantined"] = str(tmp_path / "quarantine" / f"{SEGMENT_ID}.{STARTS[5]}.bad")
    assert [expected] == logged(caplog, "torn tail cut off")


def test_an_invalid_range_at_the_end_of_a_sealed_segment_is_corruption(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, expected_errors: list[str]
) -> None:
    expected_errors.append("segment is corrupt")
    segment = write_sealed_records(tmp_path, LINES)
    path = tmp_path / segment.name.file_name
    flip(path, STARTS[5] - 2)
    recover(local(tmp_path))
    assert delivered_lines(tmp_path) == LINES[:4]
    assert [STARTS[4]] == [fields["offset"] for fields in logged(caplog, "segment is corrupt")]
    assert {f"{SEGMENT_ID}.{STARTS[4]}.bad"} == quarantined(tmp_path).keys()
    assert STARTS[5] == path.stat().st_size


@pytest.mark.parametrize("promised", [4, 6])
def test_a_sealed_segment_with_another_number_of_records_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, expected_errors: list[str], promised: int
) -> None:
    expected_errors.append("segment is corrupt")
    write_sealed_records(tmp_path, LINES, promised=promised)
    assert delivered_lines(tmp_path) == LINES
    (fields,) = logged(caplog, "segment is corrupt")
    assert fields["cause"] == f"it was sealed with {promised} events and holds 5"
    assert (fields["offset"], fields["bytes"]) == (STARTS[5], 0)


def corrupt_journal(directory: Path) -> None:
    """Leave a torn and corrupt open segment, an empty one, a sealed one, a staged orphan."""
    recover(local(directory))
    path = write_records(directory, LINES)
    flip(path, MIDDLE.start)
    path.write_bytes(path.read_bytes() + b"73ffe409 {}\nhalf")
    write_records(directory, [], numbered_name(1))
    write_records(directory, events(2), numbered_name(2, count=2))
    (directory / "staged" / f"{numbered_name(3).id}.{DAY}.ndjson.gz").write_bytes(b"orphan")


def test_recovery_twice_is_the_same_as_once(tmp_path: Path) -> None:
    corrupt_journal(tmp_path)
    recover(local(tmp_path))
    once = contents(tmp_path)
    assert {
        NAME.sealed(4).file_name,
        numbered_name(2, count=2).file_name,
        f"quarantine/{SEGMENT_ID}.{STARTS[5]}.bad",
    } == once.keys()
    recover(local(tmp_path))
    assert once == contents(tmp_path)


# Recovery tolerates a failure of those calls that copy a range to quarantine.
@pytest.mark.parametrize(
    ("kind", "call"),
    [
        ("make_directory", 1),
        ("entries", 1),
        ("entries", 2),
        ("entries", 3),
        ("entries", 4),
        ("create", 2),
        ("write", 2),
        ("sync", 2),
        ("rename", 1),
        ("sync_directory", 2),
        ("sync_directory", 3),
        ("remove", 1),
        ("remove", 3),
        ("remove", 4),
    ],
)
def test_recovery_that_was_interrupted_finishes_the_next_time(
    tmp_path: Path, kind: str, call: int
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for directory in (whole, broken):
        directory.mkdir()
        corrupt_journal(directory)
    recover(local(whole))
    with pytest.raises(OSError, match="Input/output"):
        recover(JournalDirectory(FaultyFileSystem([Fault(kind, call)]), broken))
    recover(local(broken))
    assert contents(whole) == contents(broken)


def test_a_full_disk_does_not_keep_recovery_from_sealing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_records(tmp_path, LINES)
    path.write_bytes(path.read_bytes() + b"73ffe409 {}\n")
    faulty = FaultyFileSystem()
    faulty.fail("create", code=errno.ENOSPC)
    recover(JournalDirectory(faulty, tmp_path))
    assert delivered_lines(tmp_path) == LINES
    (fields,) = logged(caplog, "torn tail cut off")
    assert "No space left" in str(fields["copy_failed"])


@pytest.mark.parametrize("kind", ["create", "write", "sync"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_segment_is_sealed_in_place_if_there_is_no_room_for_a_copy(
    tmp_path: Path, kind: str, code: int
) -> None:
    path = write_records(tmp_path, LINES)
    tear(path, at=STARTS[4] + 17)
    fs = FaultyFileSystem([Fault(kind, 1, errno=code, partial=20)])
    recover(JournalDirectory(fs, tmp_path))
    assert [NAME.sealed(4).file_name] == [path.name for path in tmp_path.glob("2026*")]
    assert delivered_lines(tmp_path) == LINES[:4]
    assert ["truncate", "sync", "rename"] == [
        call for call in fs.calls if call in ("truncate", "sync", "rename")
    ][-3:]


def test_a_segment_whose_copy_is_sealed_is_not_sealed_twice(tmp_path: Path) -> None:
    write_sealed_records(tmp_path, LINES)
    write_records(tmp_path, LINES[:2])
    (tmp_path / f"{NAME.file_name}.copy").write_bytes(b"begun")
    (tmp_path / "mine.copy").write_bytes(b"a person's")
    recover(local(tmp_path))
    assert {NAME.sealed(5).file_name, "mine.copy"} == contents(tmp_path).keys()
    assert delivered_lines(tmp_path) == LINES


def test_a_sealed_copy_is_durable_before_its_open_segment_is_removed(tmp_path: Path) -> None:
    write_sealed(tmp_path, LINES)
    write_segment(tmp_path, LINES)
    fs = FaultyFileSystem()
    recover(JournalDirectory(fs, tmp_path))
    calls = [call for call in fs.calls if call in ("sync_directory", "remove")]
    assert ["sync_directory", "remove", "sync_directory"] == calls


def test_an_open_segment_without_a_record_is_removed(tmp_path: Path) -> None:
    write_records(tmp_path, [])
    recover(local(tmp_path))
    assert contents(tmp_path) == {}


def test_staged_objects_without_their_segment_and_interrupted_ones_are_removed(
    tmp_path: Path,
) -> None:
    write_sealed_records(tmp_path, LINES)
    staged = tmp_path / "staged"
    mine = staged / f"{SEGMENT_ID}.{DAY}.ndjson.gz"
    orphan, draft = f"{numbered_name(1).id}.{DAY}.ndjson.gz", f"{SEGMENT_ID}.tmp"
    for name in (mine.name, orphan, draft, f"{SEGMENT_ID}.{DAY}.ndjson.tmp", "x.tmp", ".hidden"):
        (staged / name).write_bytes(b"staged")
    recover(local(tmp_path))
    assert [mine] == list(staged.iterdir())


def test_files_that_are_no_segments_are_left_unchanged(tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(b"held")
    (tmp_path / "README.open").write_bytes(b"a person's")
    recover(local(tmp_path))
    assert contents(tmp_path) == {"lock": b"held", "README.open": b"a person's"}


def test_a_sealed_segment_is_not_touched(tmp_path: Path) -> None:
    segment = write_sealed_records(tmp_path, LINES)
    path = tmp_path / segment.name.file_name
    path.write_bytes(b"garbage")
    recover(local(tmp_path))
    assert contents(tmp_path) == {path.name: b"garbage"}


def test_the_directories_are_made(tmp_path: Path) -> None:
    recover(local(tmp_path / "a" / "b"))
    assert {"staged", "quarantine"} == {path.name for path in (tmp_path / "a" / "b").iterdir()}


def test_a_recovered_segment_is_rewritten_before_it_is_sealed(tmp_path: Path) -> None:
    recover(local(tmp_path))
    write_records(tmp_path, LINES)
    fs = FaultyFileSystem()
    recover(JournalDirectory(fs, tmp_path))
    expected = ["create", "write", "sync", "close", "rename", "sync_directory", "remove"]
    assert [*expected, "sync_directory"] == [call for call in fs.calls if call in expected]


def test_recovery_syncs_the_directory_last_before_anything_is_delivered(tmp_path: Path) -> None:
    fs = FaultyFileSystem()
    recover(JournalDirectory(fs, tmp_path))
    assert ["sync_directory", "entries"] == fs.calls[-2:]


def test_every_open_segment_is_sealed_under_its_own_rules(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    other = SegmentName(numbered_name(7).id, KeyRules("batch", "a/b"))
    write_records(tmp_path, LINES)
    write_records(tmp_path, [event(9)], other)
    recover(local(tmp_path))
    expected = {NAME.sealed(5), other.sealed(1)}
    assert expected == {segment.name for segment in sealed_in(tmp_path)}
    assert {5, 1} == {fields["events"] for fields in logged(caplog, "segment recovered")}


def test_a_segment_sealed_by_recovery_holds_only_valid_records(tmp_path: Path) -> None:
    tear(write_records(tmp_path, LINES), at=STARTS[4] + 17)
    recover(local(tmp_path))
    assert scanned(tmp_path / NAME.sealed(4).file_name) == LINES[:4]


OLD = f"{SEGMENT_ID}.auto-100.events"
OLD_FILES = {
    f"{OLD}.open": b'73ffe409 {"event_id":"a"}\n',
    f"{OLD}.5.sealed": b'73ffe409 {"event_id":"a"}\n',
    f"{OLD}.open.copy": b"begun",
    f"staged/{SEGMENT_ID}.{DAY}.ndjson.gz": b"staged",
}


def test_segments_of_format_1_are_reported_and_left_as_they_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, expected_errors: list[str]
) -> None:
    message = "segments of journal format 1 are not delivered: only versions before 0.1.0 read them"
    expected_errors.append(message)
    recover(local(tmp_path))
    assert [] == logged(caplog, message)
    for name, raw in OLD_FILES.items():
        (tmp_path / name).write_bytes(raw)
    write_segment(tmp_path, LINES, numbered_name(1))
    recover(local(tmp_path))
    new = numbered_name(1, count=5).file_name
    assert {*OLD_FILES, new} == contents(tmp_path).keys()
    assert contents(tmp_path).items() >= OLD_FILES.items()
    (fields,) = logged(caplog, message)
    assert (2, str(tmp_path / f"{OLD}.5.sealed")) == (fields["segments"], fields["first"])
    assert "python -m journal_tools ship" in str(fields["remedy"])
    assert [5] == counts(tmp_path)


def test_a_record_of_an_open_segment_that_was_acknowledged_is_never_cut_off_without_a_copy(
    tmp_path: Path,
) -> None:
    size = len(write_segment(tmp_path, LINES[:2]).read_bytes())
    for byte in range(size):
        directory = tmp_path / str(byte)
        directory.mkdir()
        path = write_segment(directory, LINES[:2])
        flip(path, byte, 0x01)
        corrupt = path.read_bytes()
        recover(local(directory))
        assert {f"{SEGMENT_ID}.0.bad": corrupt} == quarantined(directory)


def test_a_torn_record_of_many_events_is_cut_off_without_a_copy(tmp_path: Path) -> None:
    path = write_segment(tmp_path, events(100))
    whole = len(encode(events(64), NAME.checksum_seed))
    tear(path, at=whole + 1000)
    recover(local(tmp_path))
    assert [64] == counts(tmp_path)
    assert sorted(events(64)) == sorted(delivered_lines(tmp_path))
    assert {} == quarantined(tmp_path)
