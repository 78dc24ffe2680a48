import pytest

from storage.delivery.layout import NotAnEvent
from storage.delivery.segment_index import SegmentIndex
from storage.journal.record import CorruptRange, Run
from storage.journal.segment import SealedSegment
from tests.storage.segments import NAME

ONE, OTHER = "2026-11-23", "2026-11-22"
# Records of 20 bytes, from offset 100.
RUN = Run(100, [b"x" * 10] * 3)


def index(*days: str | NotAnEvent) -> SegmentIndex:
    made = SegmentIndex()
    made.add(RUN, days)
    return made


def offsets(made: SegmentIndex) -> dict[str, list[int]]:
    return {day: list(found) for day, found in made.days.items()}


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([ONE, ONE, ONE], {ONE: [100, 120, 140]}),
        ([ONE, OTHER, ONE], {ONE: [100, 140], OTHER: [120]}),
        ([NotAnEvent(), OTHER, NotAnEvent()], {OTHER: [120]}),
        ([NotAnEvent()] * 3, {}),
    ],
)
def test_each_day_has_the_offsets_of_its_events(
    days: list[str | NotAnEvent], expected: dict[str, list[int]]
) -> None:
    made = index(*days)
    assert expected == offsets(made)
    assert sum(map(len, expected.values())) == made.events


def test_the_first_day_is_that_of_the_first_event() -> None:
    assert OTHER == index(NotAnEvent(), OTHER, ONE).first_day
    assert None is SegmentIndex().first_day


def test_a_record_without_an_event_is_a_corrupt_range() -> None:
    expected = CorruptRange(120, 20, "why", at_end=False, has_whole_line=True)
    assert [expected] == index(ONE, NotAnEvent("why"), ONE).corrupt


@pytest.mark.parametrize(("sealed_with", "is_corrupt"), [(3, False), (4, True), (2, True)])
def test_records_that_are_missing_or_too_many_are_a_corrupt_range_at_the_end(
    sealed_with: int, is_corrupt: bool
) -> None:
    made = index(ONE, ONE, ONE)
    made.check_count(SealedSegment(NAME.sealed(sealed_with), 60))
    cause = f"it was sealed with {sealed_with} records and holds 3"
    expected = CorruptRange(60, 0, cause, at_end=True, has_whole_line=False)
    assert [expected] * is_corrupt == made.corrupt


def test_a_corrupt_range_explains_the_records_that_are_missing() -> None:
    made = index(ONE, NotAnEvent("why"), ONE)
    made.check_count(SealedSegment(NAME.sealed(3), 60))
    assert ["why"] == [piece.cause for piece in made.corrupt]
