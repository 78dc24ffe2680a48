from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.counters import Counters
from storage.journal import backlog as backlog_module
from storage.journal.backlog import Backlog, BacklogCounts
from storage.journal.directory import JournalDirectory
from storage.journal.segment import SealedSegment
from tests.storage.segments import local, numbered_name
from tests.support.failing_filesystem import FaultyFileSystem

RECORD_BYTES = 10


def segment(number: int, count: int = 1) -> SealedSegment:
    return SealedSegment(numbered_name(number, "auto-100", count), RECORD_BYTES * count)


def on_disk(directory: Path, *numbers: int) -> list[SealedSegment]:
    found = [segment(number) for number in numbers]
    for each in found:
        (directory / each.name.file_name).write_bytes(bytes(each.size))
    return found


def deliver(backlog: Backlog, directory: Path, each: SealedSegment) -> None:
    (directory / each.name.file_name).unlink()
    backlog.done(each, each.events)


def drained(backlog: Backlog, directory: Path) -> list[SealedSegment]:
    """Deliver segments one by one until the backlog is empty, and return them in order."""
    found: list[SealedSegment] = []
    while not backlog.is_empty:
        taken = backlog.next()
        if taken is None:
            assert backlog.has_unlisted
            backlog.relist(backlog.read_directory())
            continue
        found.append(taken)
        deliver(backlog, directory, taken)
    assert backlog.next() is None
    return found


@pytest.fixture
def backlog(tmp_path: Path) -> Backlog:
    return Backlog(local(tmp_path), Counters())


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> int:
    """Limit the list to a few names, and return the limit."""
    monkeypatch.setattr(backlog_module, "_LISTED", 4)
    return 4


def test_an_empty_directory_is_an_empty_backlog(backlog: Backlog) -> None:
    backlog.load()
    assert backlog.is_empty
    assert not backlog.has_unlisted
    assert backlog.next() is None
    assert BacklogCounts(0, 0, 0, None) == backlog.counts()


def test_segments_on_disk_are_counted_at_start(backlog: Backlog, tmp_path: Path) -> None:
    big = segment(1, 500)
    (tmp_path / big.name.file_name).write_bytes(bytes(big.size))
    on_disk(tmp_path, 2, 3)
    (tmp_path / numbered_name(4).file_name).write_bytes(b"open")
    (tmp_path / "lock").write_bytes(b"held")
    backlog.load()
    expected = BacklogCounts(3, 502, 8192 + 2 * 4096, big.name.created_at)
    assert expected == backlog.counts()
    assert expected.disk_bytes == backlog.disk_bytes


def test_a_segment_counts_until_it_is_delivered(backlog: Backlog) -> None:
    backlog.add(segment(1, 7))
    expected = BacklogCounts(1, 7, 4096, segment(1).name.created_at)
    assert expected == backlog.counts()
    taken = backlog.next()
    assert expected == backlog.counts()
    assert taken == segment(1, 7)
    assert not backlog.has_unlisted
    backlog.done(taken, taken.events)
    assert BacklogCounts(0, 0, 0, None) == backlog.counts()
    assert backlog.is_empty


def test_newest_and_oldest_take_turns(backlog: Backlog, tmp_path: Path) -> None:
    on_disk(tmp_path, 1, 2, 3)
    backlog.load()
    for each in on_disk(tmp_path, 4, 5, 6):
        backlog.add(each)
    assert [6, 1, 5, 2, 4, 3] == [number_of(each) for each in drained(backlog, tmp_path)]


def number_of(each: SealedSegment) -> int:
    return int(each.name.id.rpartition("-")[2], 16)


def test_old_segments_are_taken_from_both_ends(backlog: Backlog, tmp_path: Path) -> None:
    on_disk(tmp_path, 3, 1, 4, 2)
    backlog.load()
    assert [4, 1, 3, 2] == [number_of(each) for each in drained(backlog, tmp_path)]


def test_new_segments_are_taken_from_both_ends(backlog: Backlog, tmp_path: Path) -> None:
    for each in on_disk(tmp_path, 1, 2, 3, 4):
        backlog.add(each)
    assert [4, 1, 3, 2] == [number_of(each) for each in drained(backlog, tmp_path)]


def test_a_long_backlog_is_listed_in_parts_oldest_first(
    backlog: Backlog, tmp_path: Path, short: int
) -> None:
    on_disk(tmp_path, *range(10))
    backlog.load()
    assert backlog.counts().segments == 10
    numbers = [number_of(each) for each in drained(backlog, tmp_path)]
    assert [{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}] == [set(numbers[i : i + short]) for i in (0, 4, 8)]


def test_new_segments_beyond_the_list_are_found_later(
    backlog: Backlog, tmp_path: Path, short: int
) -> None:
    for each in on_disk(tmp_path, *range(3 * short)):
        backlog.add(each)
    numbers = [number_of(each) for each in drained(backlog, tmp_path)]
    assert sorted(numbers) == list(range(3 * short))
    assert set(numbers[:short]) == set(range(2 * short, 3 * short))


def test_no_more_names_are_held_than_are_listed(backlog: Backlog, tmp_path: Path) -> None:
    limit = backlog_module._LISTED
    for number in range(limit + 10):
        backlog.add(segment(number))
    held = 0
    while (taken := backlog.next()) is not None:
        backlog.done(taken, taken.events)
        held += 1
    assert held == limit
    assert backlog.has_unlisted
    assert backlog.counts().segments == 10


def test_a_reading_of_the_directory_returns_at_most_a_full_list(
    backlog: Backlog, tmp_path: Path, short: int
) -> None:
    on_disk(tmp_path, *range(10))
    assert [0, 1, 2, 3] == [number_of(each) for each in backlog.read_directory()]


def test_while_something_is_listed_the_directory_need_not_be_read(
    backlog: Backlog, tmp_path: Path, short: int
) -> None:
    on_disk(tmp_path, *range(short + 1))
    backlog.load()
    for _ in range(short):
        assert not backlog.has_unlisted
        backlog.next()
    assert backlog.has_unlisted


def test_a_segment_in_flight_is_not_listed(backlog: Backlog, tmp_path: Path) -> None:
    on_disk(tmp_path, 1, 2)
    backlog.load()
    shipping = backlog.next()
    backlog.relist(backlog.read_directory())
    assert [segment(1)] == list(rest(backlog))
    assert shipping == segment(2)


def rest(backlog: Backlog) -> Iterator[SealedSegment]:
    while (taken := backlog.next()) is not None:
        yield taken


def test_segments_delivered_while_the_directory_was_read_are_not_listed(
    backlog: Backlog, tmp_path: Path
) -> None:
    on_disk(tmp_path, 1, 2, 3)
    backlog.load()
    newest, oldest = backlog.next(), backlog.next()
    found = backlog.read_directory()
    for each in (newest, oldest):
        assert each is not None
        deliver(backlog, tmp_path, each)
    backlog.relist(found)
    assert [segment(2)] == list(rest(backlog))


def test_a_segment_is_not_returned_before_it_was_added(backlog: Backlog, tmp_path: Path) -> None:
    (old,) = on_disk(tmp_path, 1)
    backlog.load()
    on_disk(tmp_path, 2)
    backlog.relist(backlog.read_directory())
    assert [old] == list(rest(backlog))


def test_a_segment_sealed_while_the_directory_was_read_is_listed_once(
    backlog: Backlog, tmp_path: Path
) -> None:
    found = backlog.read_directory()
    (sealed,) = on_disk(tmp_path, 1)
    backlog.add(sealed)
    backlog.relist(found)
    assert [sealed] == drained(backlog, tmp_path)


@pytest.mark.parametrize("added_before_listing", [True, False])
def test_a_segment_found_on_disk_before_it_was_added_is_listed_once(
    backlog: Backlog, tmp_path: Path, added_before_listing: bool
) -> None:
    (old,) = on_disk(tmp_path, 1)
    backlog.load()
    (sealed,) = on_disk(tmp_path, 2)
    found = backlog.read_directory()
    if added_before_listing:
        backlog.add(sealed)
        backlog.relist(found)
    else:
        backlog.relist(found)
        backlog.add(sealed)
    assert [sealed, old] == drained(backlog, tmp_path)


def test_a_segment_listed_in_place_of_one_that_vanished_is_returned_once(
    backlog: Backlog, tmp_path: Path
) -> None:
    (vanished,) = on_disk(tmp_path, 1)
    backlog.load()
    (tmp_path / vanished.name.file_name).unlink()
    (sealed,) = on_disk(tmp_path, 2)
    backlog.relist(backlog.read_directory())
    assert backlog.next() == sealed
    backlog.add(sealed)
    backlog.done(sealed, sealed.events)
    assert backlog.next() is None
    assert backlog.counts().segments == 1


def test_a_clock_that_was_set_back_costs_no_segment(
    backlog: Backlog, tmp_path: Path, short: int
) -> None:
    on_disk(tmp_path, 10, 11)
    backlog.load()
    (sealed,) = on_disk(tmp_path, 1)
    backlog.relist(backlog.read_directory())
    backlog.add(sealed)
    assert {1, 10, 11} == {number_of(each) for each in drained(backlog, tmp_path)}


def test_deliveries_are_remembered_only_while_the_directory_is_read(
    backlog: Backlog, tmp_path: Path
) -> None:
    remembered = []
    for begin in (lambda: None, backlog.read_directory, lambda: backlog.relist([])):
        backlog.add(segment(1))
        backlog.next()
        begin()
        backlog.done(segment(1), 1)
        remembered.append(backlog._delivered_meanwhile)
    assert remembered == [None, {segment(1).name.id}, None]


def test_a_directory_that_cannot_be_read_is_retried_later(tmp_path: Path) -> None:
    fs = FaultyFileSystem()
    backlog = Backlog(JournalDirectory(fs, tmp_path), Counters())
    (each,) = on_disk(tmp_path, 1)
    fs.fail("entries")
    with pytest.raises(OSError, match="Input/output"):
        backlog.read_directory()
    backlog.load()
    assert [each] == drained(backlog, tmp_path)


def test_removed_segments_leave_the_counts(backlog: Backlog, tmp_path: Path, short: int) -> None:
    files = on_disk(tmp_path, *range(10))
    backlog.load()
    for each in files[short:]:
        (tmp_path / each.name.file_name).unlink()
    assert files[:short] == sorted(drained(backlog, tmp_path), key=lambda each: each.name.id)
    assert (0, 0, 0) == (
        backlog.counts().segments,
        backlog.counts().events,
        backlog.disk_bytes,
    )
