import pytest

from storage.delivery.segment_index import SegmentIndex
from storage.journal.record import HEAD_BYTES, CorruptRange
from storage.journal.segment import SealedSegment
from tests.storage.segments import NAME, event, record_of

ONE, OTHER = "2026-11-23", "2026-11-22"
NO_EVENT = b"no event"


def lines(*days: str | None) -> list[bytes]:
    return [event(0, day) if day else NO_EVENT for day in days]


def index(*days: str | None) -> SegmentIndex:
    made = SegmentIndex()
    made.add(record_of(lines(*days)))
    return made


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([ONE, ONE, ONE], {ONE: [0, 1, 2]}),
        ([ONE, OTHER, ONE], {ONE: [0, 2], OTHER: [1]}),
        ([None, OTHER, None], {OTHER: [1]}),
        ([None] * 3, {}),
    ],
)
def test_each_day_has_the_places_of_its_events(
    days: list[str | None], expected: dict[str, list[int]]
) -> None:
    made = index(*days)
    start = record_of(lines(*days)).places[0]
    found = {day: [place - start for place in places] for day, places in made.days.items()}
    assert expected == found
    assert sum(map(len, expected.values())) == made.events


def test_the_first_day_is_that_of_the_first_event() -> None:
    assert OTHER == index(None, OTHER, ONE).first_day
    assert None is SegmentIndex().first_day


def test_the_places_of_the_first_day_are_returned() -> None:
    made = SegmentIndex()
    first, second, third = (record_of(lines(*days)) for days in ([ONE], [OTHER, ONE], [OTHER]))
    assert [0] == [first.places.index(place) for place in made.add(first)]
    assert [1] == [second.places.index(place) for place in made.add(second)]
    assert [] == list(made.add(third))


def test_a_line_without_an_event_is_a_corrupt_range() -> None:
    record = record_of(lines(ONE, None, ONE))
    offset = record.offset + HEAD_BYTES + len(event(0)) + 1
    cause = "the line is no event with an event_id and a timestamp"
    assert [CorruptRange(offset, len(NO_EVENT) + 1, cause)] == index(ONE, None, ONE).corrupt


@pytest.mark.parametrize(("sealed_with", "is_corrupt"), [(3, False), (4, True), (2, True)])
def test_events_that_are_missing_or_too_many_are_a_corrupt_range_at_the_end(
    sealed_with: int, is_corrupt: bool
) -> None:
    made = index(ONE, ONE, ONE)
    made.check_count(SealedSegment(NAME.sealed(sealed_with), 60))
    cause = f"it was sealed with {sealed_with} events and holds 3"
    assert [CorruptRange(60, 0, cause, at_end=True)] * is_corrupt == made.corrupt


def test_a_corrupt_range_explains_the_events_that_are_missing() -> None:
    made = index(ONE, None, ONE)
    made.check_count(SealedSegment(NAME.sealed(3), 60))
    assert 1 == len(made.corrupt)
