import pytest

from storage.journal.limits import JournalLimits
from storage.journal.record import encode
from tests.storage.segments import SEED


def limits(event_max_bytes: int, max_bytes: int) -> JournalLimits:
    return JournalLimits(1.0, 1000, max_bytes, False, event_max_bytes)


@pytest.mark.parametrize("size", [1, 1000, 16 * 1024, 16 * 1024 + 1, 1_000_000])
def test_an_event_of_the_largest_size_finds_room(size: int) -> None:
    room = limits(size, 1 << 30).largest_record_bytes
    assert len(encode([b"x" * size], SEED)) <= room <= size + 100


def test_clear_room_is_a_hundredth_of_the_journal_and_at_least_two_events() -> None:
    assert 10_000 == limits(1, 1_000_000).clear_room_bytes
    few = limits(1000, 1000)
    assert 2 * few.largest_record_bytes == few.clear_room_bytes
