import errno
import zlib
from pathlib import Path

import pytest

from storage.dedup.id_log import IdBlock, IdLimits, IdLog
from storage.dedup.identity import IDENTITY_BYTES, Identities, id_keys, pack
from storage.journal.directory import JournalDirectory
from tests.storage.segments import flip, no_reserve, tear
from tests.support.failing_filesystem import FaultyFileSystem

BEGUN = 1_795_455_000.0
DAY_S = 86400.0


def segment_id(number: int) -> str:
    return f"20261123T173000000Z-{number:016x}"


def identities(*names: str) -> bytes:
    return pack(Identities(id_keys(names), [*map(len, names)]))


class Bench:
    """An id log, clocks that a test turns, and a disk that it may break."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.fs = FaultyFileSystem()
        self.now = BEGUN
        self.monotonic = 5000.0
        self.max_ids = 1_000_000

    def log(self) -> IdLog:
        return IdLog(
            JournalDirectory(self.fs, self.directory),
            IdLimits(DAY_S, self.max_ids),
            no_reserve(self.directory),
            now=lambda: self.now,
            monotonic=lambda: self.monotonic,
        )

    def ready(self) -> IdLog:
        log = self.log()
        assert list(log.load()) == []
        return log

    def loaded(self) -> list[tuple[str, bytes]]:
        return [(block.segment_id, block.identities) for block in self.log().load()]

    def files(self) -> list[str]:
        return sorted(path.name for path in (self.directory / "ids").iterdir())

    def only_file(self) -> Path:
        (path,) = (self.directory / "ids").iterdir()
        return path


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_recorded_identities_are_loaded_by_the_next_process(bench: Bench) -> None:
    log = bench.ready()
    log.record(segment_id(1), identities("a", "b"))
    log.record(segment_id(2), b"")
    again = bench.log()
    assert [block.segment_id for block in again.load()] == [segment_id(1), segment_id(2)]
    again.record(segment_id(3), identities("c"))
    assert bench.loaded() == [
        (segment_id(1), identities("a", "b")),
        (segment_id(2), b""),
        (segment_id(3), identities("c")),
    ]


def test_the_file_has_the_form_of_its_page(bench: Bench) -> None:
    bench.ready().record(segment_id(1), identities("first"))
    head = f"2 {segment_id(1)} 1".encode()
    checksum = zlib.crc32(head + identities("first"))
    expected = head + f" {checksum:08x}\n".encode() + identities("first")
    assert expected == bench.only_file().read_bytes()
    assert bench.files() == ["00000001.ids"]


def test_every_torn_end_leaves_the_blocks_before_it(bench: Bench, tmp_path: Path) -> None:
    log = bench.ready()
    log.record(segment_id(1), identities("a", "b"))
    first_ends = bench.only_file().stat().st_size
    log.record(segment_id(2), identities("c"))
    whole = bench.only_file().read_bytes()
    for length in range(first_ends, len(whole)):
        bench.only_file().write_bytes(whole)
        tear(bench.only_file(), length)
        assert bench.loaded() == [(segment_id(1), identities("a", "b"))]


def test_no_flipped_byte_makes_an_id_that_was_not_there(
    bench: Bench, expected_errors: list[str]
) -> None:
    expected_errors.append("event ids are corrupt")
    log = bench.ready()
    log.record(segment_id(1), identities("a"))
    log.record(segment_id(2), identities("b"))
    path = bench.only_file()
    whole = path.read_bytes()
    for byte in range(len(whole)):
        path.write_bytes(whole)
        flip(path, byte, 0x01)
        found = b"".join(block for _, block in bench.loaded())
        assert identities("a", "b").startswith(found)
        path.write_bytes(whole)


def test_a_file_without_a_valid_block_is_removed(bench: Bench) -> None:
    bench.ready().record(segment_id(1), identities("a"))
    tear(bench.only_file(), 40)
    assert (bench.loaded(), bench.files()) == ([], [])


@pytest.mark.parametrize("kind", ["create", "write", "sync", "sync_directory"])
def test_a_record_that_failed_can_be_retried(bench: Bench, kind: str) -> None:
    log = bench.ready()
    bench.fs.fail(kind, code=errno.EIO, partial=50)
    with pytest.raises(OSError, match="Input/output"):
        log.record(segment_id(1), identities("a"))
    log.record(segment_id(1), identities("a"))
    log.record(segment_id(2), identities("b"))
    assert bench.loaded() == [(segment_id(1), identities("a")), (segment_id(2), identities("b"))]


@pytest.mark.parametrize("kind", ["write", "sync"])
def test_a_file_that_failed_is_not_appended_to(bench: Bench, kind: str) -> None:
    log = bench.ready()
    log.record(segment_id(1), identities("a"))
    bench.fs.fail(kind, partial=50)
    bench.fs.fail("truncate")
    with pytest.raises(OSError, match="Input/output"):
        log.record(segment_id(2), identities("b"))
    log.record(segment_id(2), identities("b"))
    log.record(segment_id(3), identities("c"))
    assert len(bench.files()) == 2
    found = [block for _, block in bench.loaded()]
    assert sorted(set(found)) == sorted([identities("a"), identities("b"), identities("c")])


def test_files_are_removed_when_all_their_ids_have_expired(bench: Bench) -> None:
    log = bench.ready()
    seen = []
    for number in range(12):
        log.record(segment_id(number), identities("a"))
        seen.append(len(bench.files()))
        bench.monotonic += DAY_S / 8 + 1
    assert [1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8] == seen


def test_files_before_the_last_ids_to_remember_are_removed(bench: Bench) -> None:
    bench.max_ids = 2
    log = bench.ready()
    for number in range(4):
        log.record(segment_id(number), identities("a"))
        bench.monotonic += DAY_S / 8 + 1
    assert [segment_id(number) for number in (1, 2, 3)] == [name for name, _ in bench.loaded()]


def test_a_clock_that_jumps_removes_nothing(bench: Bench) -> None:
    log = bench.ready()
    for jump in (0.0, 1e8, -1e8):
        bench.now = BEGUN + jump
        bench.monotonic += DAY_S / 4
        log.record(segment_id(int(abs(jump)) + int(jump > 0)), identities("a"))
    assert len(bench.files()) == 3


def test_a_block_is_as_old_as_its_segment(bench: Bench) -> None:
    bench.ready().record(segment_id(1), identities("a"))
    ages = []
    for later in (0.0, 600.0, -600.0):
        bench.now = BEGUN + later
        ages += [bench.monotonic - block.at for block in bench.log().load()]
    assert [0.0, 600.0, 0.0] == ages


def test_a_block_counts_its_ids() -> None:
    assert IdBlock("s", identities("a", "b"), 0.0).count == 2


def test_a_file_that_was_loaded_is_removed_when_it_is_old(bench: Bench) -> None:
    bench.ready().record(segment_id(1), identities("a"))
    bench.now += DAY_S * 2
    again = bench.log()
    assert [segment_id(1)] == [block.segment_id for block in again.load()]
    again.record(segment_id(2), identities("b"))
    assert ["00000002.ids"] == bench.files()


def test_a_file_is_full_at_2_mib(bench: Bench) -> None:
    log = bench.ready()
    for number in range(1, 8):
        log.record(segment_id(number), bytes(IDENTITY_BYTES) * 40_000)
    sizes = [path.stat().st_size // 640_000 for path in sorted((bench.directory / "ids").iterdir())]
    assert [4, 3] == sizes


def test_the_directory_is_synced_only_for_the_first_block_of_a_file(bench: Bench) -> None:
    log = bench.ready()
    bench.fs.calls.clear()
    for number in (1, 2, 3):
        log.record(segment_id(number), identities("a"))
    assert ["create", *("write", "sync"), "sync_directory", *("write", "sync") * 2] == (
        bench.fs.calls
    )


def test_an_invalid_tail_is_reported_with_its_place(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.ready().record(segment_id(1), identities("a"))
    size = bench.only_file().stat().st_size
    with bench.only_file().open("ab") as file:
        file.write(b"torn")
    bench.loaded()
    (record,) = caplog.records
    assert "torn block of event ids left out" == record.getMessage()
    fields = getattr(record, "fields", {})
    assert {"offset": size, "bytes": 4} == {key: fields[key] for key in ("offset", "bytes")}


def test_many_blocks_of_one_file_are_read(bench: Bench) -> None:
    log = bench.ready()
    expected = [(segment_id(n), identities(*map(str, range(n)))) for n in range(5)]
    for name, each in expected:
        log.record(name, each)
    assert expected == bench.loaded()


def test_an_invalid_block_before_a_valid_one_is_corruption(
    bench: Bench, expected_errors: list[str]
) -> None:
    expected_errors.append("event ids are corrupt")
    log = bench.ready()
    log.record(segment_id(1), identities(*map(str, range(20))))
    size = bench.only_file().stat().st_size
    for number in (2, 3):
        log.record(segment_id(number), identities("a"))
    flip(bench.only_file(), size)
    assert [segment_id(1)] == [name for name, _ in bench.loaded()]


@pytest.mark.parametrize("kind", ["write", "sync", "sync_directory"])
def test_a_failure_in_a_second_file_leaves_the_first_unchanged(bench: Bench, kind: str) -> None:
    log = bench.ready()
    full = bytes(IDENTITY_BYTES) * 150_000
    log.record(segment_id(1), full)
    bench.fs.fail(kind, partial=30)
    with pytest.raises(OSError, match="Input/output"):
        log.record(segment_id(2), identities("b"))
    assert ["00000001.ids"] == bench.files()
    before = bench.fs.calls.count("sync_directory")
    for number in (2, 3, 4):
        log.record(segment_id(number), identities("b"))
    assert ["00000001.ids", "00000003.ids"] == bench.files()
    assert 1 == bench.fs.calls.count("sync_directory") - before
    assert [(segment_id(1), full)] + [(segment_id(n), identities("b")) for n in (2, 3, 4)] == (
        bench.loaded()
    )


def test_a_file_of_the_first_format_is_reported_and_not_taken_for_identities(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    head = f"{segment_id(1)} 1".encode()
    digest = bytes(range(16))
    (bench.directory / "ids").mkdir()
    path = bench.directory / "ids" / "00000001.ids"
    path.write_bytes(b"%b %08x\n%b" % (head, zlib.crc32(head + digest), digest))
    assert [] == bench.loaded()
    (record,) = caplog.records
    assert "WARNING" == record.levelname
    assert record.getMessage().startswith("event ids of an older version are not used")
