from datetime import UTC, datetime

import pytest

from storage.journal.segment import (
    KeyRules,
    SealedSegment,
    SegmentName,
    disk_bytes,
    is_of_format_1,
    new_segment_name,
    parse_segment_name,
)
from tests.storage.segments import NAME, RULES, SEGMENT_ID

OPEN = f"{SEGMENT_ID}.v2.auto-100.events.open"


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        (OPEN, NAME),
        (f"{SEGMENT_ID}.v2.auto-100.events.137.sealed", NAME.sealed(137)),
        (f"{SEGMENT_ID}.v2.event.a+b.open", SegmentName(SEGMENT_ID, KeyRules("event", "a/b"))),
        (
            f"{SEGMENT_ID}.v2.batch.v1.2.7.sealed",
            SegmentName(SEGMENT_ID, KeyRules("batch", "v1.2"), 7),
        ),
        (
            f"{SEGMENT_ID}.v2.auto-0.k=v_x-y.1.sealed",
            SegmentName(SEGMENT_ID, KeyRules("auto-0", "k=v_x-y"), 1),
        ),
    ],
)
def test_a_name_says_what_it_was_made_from(file_name: str, expected: SegmentName) -> None:
    assert expected == parse_segment_name(file_name)
    assert file_name == expected.file_name


@pytest.mark.parametrize(
    "file_name",
    [
        "",
        "lock",
        "probe",
        SEGMENT_ID,
        OPEN + "x",
        OPEN + "\n",
        "x" + OPEN,
        OPEN.upper(),
        f"{SEGMENT_ID}.v2.auto-100.events.sealed",
        f"{SEGMENT_ID}.v2.auto-100.events.07.sealed",
        f"{SEGMENT_ID}.v2.auto-100.events.\u0667.sealed",
        f"{SEGMENT_ID}.v2.auto-100.events.-1.sealed",
        f"{SEGMENT_ID}.v2.auto.events.open",
        f"{SEGMENT_ID}.v2.hourly.events.open",
        f"{SEGMENT_ID}.v2.auto-100..open",
        f"{SEGMENT_ID}.v2.auto-100.{'p' * 181}.open",
        "\u0662" + OPEN[1:],
        OPEN.replace(".v2.", ".v1."),
        OPEN.replace(".v2.", ".v3."),
    ],
)
def test_other_files_are_no_segments(file_name: str) -> None:
    assert parse_segment_name(file_name) is None


@pytest.mark.parametrize("state", ["open", "137.sealed"])
def test_names_of_format_1_are_told_apart(state: str) -> None:
    old, new = (f"{SEGMENT_ID}{word}.auto-100.events.{state}" for word in ("", ".v2"))
    assert (True, False) == (is_of_format_1(old), is_of_format_1(new))
    assert parse_segment_name(old) is None
    assert not is_of_format_1("lock")


def test_the_longest_name_fits_into_a_directory_entry() -> None:
    name = SegmentName(SEGMENT_ID, KeyRules("auto-999999999", "p" * 180), 999_999_999_999)
    assert name == parse_segment_name(name.file_name)
    assert len(name.file_name) <= 255


def test_a_new_name_reads_back() -> None:
    name = new_segment_name(RULES)
    assert name == parse_segment_name(name.file_name)
    assert name.rules == RULES
    assert name.events is None


def test_a_new_name_holds_the_time_to_the_millisecond() -> None:
    before = datetime.now(UTC).timestamp()
    created = new_segment_name(RULES).created_at
    assert before - 0.001 <= created <= datetime.now(UTC).timestamp()


def test_no_two_names_share_id_or_seed() -> None:
    names = [new_segment_name(RULES) for _ in range(200)]
    assert len({name.id for name in names}) == 200
    assert len({name.checksum_seed for name in names}) == 200


def test_the_time_of_creation_is_utc() -> None:
    expected = datetime(2026, 11, 23, 17, 30, 0, 123_000, tzinfo=UTC).timestamp()
    assert expected == NAME.created_at


def test_ids_sort_by_age() -> None:
    earlier = SegmentName("20261123T173000123Z-ffffffffffffffff", RULES)
    later = SegmentName("20261123T173000124Z-0000000000000000", RULES)
    assert earlier.id < later.id
    assert earlier.created_at < later.created_at


def test_sealing_changes_only_the_state() -> None:
    sealed = NAME.sealed(3)
    assert (NAME.id, NAME.rules, 3) == (sealed.id, sealed.rules, sealed.events)
    assert NAME.checksum_seed == sealed.checksum_seed


@pytest.mark.parametrize(
    ("size", "expected"), [(0, 0), (1, 4096), (4096, 4096), (4097, 8192), (1 << 30, 1 << 30)]
)
def test_disk_space_is_counted_in_blocks(size: int, expected: int) -> None:
    assert expected == disk_bytes(size)
    assert expected == SealedSegment(NAME.sealed(1), size).disk_bytes


def test_a_sealed_segment_counts_what_its_name_says() -> None:
    assert SealedSegment(NAME.sealed(12), 1).events == 12
