"""The index of a sealed segment: the places of each day's events, and the corrupt ranges."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from storage.delivery import layout
from storage.journal.record import HEAD_BYTES, CorruptRange, Record
from storage.journal.segment import SealedSegment


@dataclass(frozen=True, slots=True)
class SegmentIndex:
    """Places of events in the segment, by their day; 8 bytes an event."""

    days: "dict[str, array[int]]" = field(default_factory=dict)
    corrupt: list[CorruptRange] = field(default_factory=list)

    @property
    def events(self) -> int:
        """The number of events that can be delivered."""
        return sum(map(len, self.days.values()))

    @property
    def first_day(self) -> str | None:
        """The day of the segment's first event."""
        return next(iter(self.days), None)

    def add(self, record: Record) -> Sequence[int]:
        """Add the events of a record; return the places of those of the segment's first day."""
        by_day = self._by_day(record)
        for day, places in by_day.items():
            self.days.setdefault(day, array("Q")).extend(places)
        return by_day.get(self.first_day or "", ())

    def _by_day(self, record: Record) -> dict[str, Sequence[int]]:
        common_day = layout.common_day(record)
        if common_day is not None:
            return {common_day: record.places}
        by_day: dict[str, list[int]] = {}
        for place, day in zip(record.places, event_days(record), strict=True):
            if isinstance(day, CorruptRange):
                self.corrupt.append(day)
            else:
                by_day.setdefault(day, []).append(place)
        return {**by_day}

    def check_count(self, segment: SealedSegment) -> None:
        """Add an empty corrupt range if the segment was sealed with another number of events."""
        if not self.corrupt and self.events != segment.events:
            cause = f"it was sealed with {segment.events} events and holds {self.events}"
            self.corrupt.append(CorruptRange(segment.size, 0, cause, at_end=True))


def event_days(record: Record) -> Iterator[str | CorruptRange]:
    """Yield the day of each event of a record, or the corrupt range that its line is."""
    offset = record.offset + HEAD_BYTES
    for line in record.lines:
        try:
            yield layout.address(line).day
        except layout.NotAnEvent as error:
            yield CorruptRange(offset, len(line) + 1, str(error))
        offset += len(line) + 1
