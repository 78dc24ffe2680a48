"""The format page is a contract: its names and its example are those of the code."""

import io
import re
import zlib
from pathlib import Path

import pytest

import storage
from storage.journal.record import (
    EVENTS_PER_RECORD,
    HEAD_BYTES,
    MAX_TEXT_BYTES,
    Record,
    encode,
    scan,
)
from storage.journal.segment import SegmentName, is_of_format_1, parse_segment_name
from storage.journal.writer import SegmentWriter
from tests.storage.segments import local, no_ids, no_reserve, scanned

PAGE = (Path(storage.__file__).parent / "FORMAT.md").read_text()
NAMES = re.findall(r"^ +(\S+\.(?:open|sealed))$", PAGE, re.MULTILINE)
EXAMPLE = re.findall(r"^ +([0-9a-f]{8} .*)\n +(\{.*\})$", PAGE, re.MULTILINE)
EXAMPLE_ID = re.findall(r"With the segment id `([^`]+)`", PAGE)

GOLDEN = Path(__file__).parent / "golden"
GOLDEN_EVENTS = (GOLDEN / "events.ndjson").read_bytes().splitlines()
GOLDEN_SEGMENTS = {
    "20261123T173000123Z-9f86d081884c7d65.v2.auto-100.events.open": GOLDEN_EVENTS[:2],
    "20261123T173001000Z-0000000000000001.v2.batch.v1+web.3.sealed": GOLDEN_EVENTS,
}


def golden_name(file_name: str) -> SegmentName:
    name = parse_segment_name(file_name)
    assert name is not None
    return name


def test_the_page_shows_an_open_and_a_sealed_name() -> None:
    states = [parsed.events for parsed in map(parse_segment_name, NAMES) if parsed is not None]
    assert [None, 137] == states


@pytest.mark.parametrize("name", NAMES)
def test_names_on_the_page_are_names_of_segments(name: str) -> None:
    parsed = parse_segment_name(name)
    assert parsed is not None
    assert name == parsed.file_name


def test_the_worked_example_is_a_record_as_it_is_written() -> None:
    seed = zlib.crc32(EXAMPLE_ID[0].encode())
    (example,) = EXAMPLE
    assert [*example] == encode([b'{"event_id":"a"}'], seed).decode().splitlines()


def test_the_worked_example_reads_back() -> None:
    name = parse_segment_name(NAMES[0])
    assert name is not None
    assert [name.id] == EXAMPLE_ID
    raw = "".join(f"{line}\n" for line in EXAMPLE[0]).encode()
    (record,) = scan(io.BytesIO(raw), name.checksum_seed)
    assert isinstance(record, Record)
    assert [b'{"event_id":"a"}'] == record.lines


def test_the_sizes_on_the_page_are_those_of_the_code() -> None:
    (mebibytes,) = re.findall(r"included; 8 decimal digits, at most (\d+) MiB", PAGE)
    (most,) = re.findall(r"the number of lines, 1 to (\d+);", PAGE)
    (head,) = re.findall(r"A head is (\d+) bytes long", PAGE)
    expected = (MAX_TEXT_BYTES, EVENTS_PER_RECORD, HEAD_BYTES)
    assert expected == (int(mebibytes) * 1024 * 1024, int(most), int(head))


def test_names_of_format_1_are_on_the_page_only_in_words() -> None:
    assert [] == [name for name in NAMES if is_of_format_1(name)]


@pytest.mark.parametrize(("file_name", "lines"), GOLDEN_SEGMENTS.items())
def test_segments_of_earlier_versions_can_be_read(file_name: str, lines: list[bytes]) -> None:
    name = golden_name(file_name)
    assert lines == scanned(GOLDEN / file_name, name.checksum_seed)
    assert name.events in (None, len(lines))


@pytest.mark.parametrize(("file_name", "lines"), GOLDEN_SEGMENTS.items())
def test_segments_are_written_as_by_earlier_versions(
    tmp_path: Path, file_name: str, lines: list[bytes]
) -> None:
    name = golden_name(file_name)
    begun = SegmentName(name.id, name.rules)
    writer = SegmentWriter(local(tmp_path), lambda: begun, no_ids, no_reserve(tmp_path))
    writer.append(lines[:1])
    writer.append(lines[1:])
    if name.events is not None:
        writer.seal()
    assert (GOLDEN / file_name).read_bytes() == (tmp_path / file_name).read_bytes()
