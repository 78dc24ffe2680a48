"""The index of a sealed segment: the offsets of each day's events, and the corrupt ranges."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from storage.delivery.layout import NotAnEvent
from storage.journal.record import RECORD_OVERHEAD_BYTES, CorruptRange, Run
from storage.journal.segment import SealedSegment


@dataclass(frozen=True, slots=True)
class SegmentIndex:
    """Offsets of records in bytes, by the day of their events; 8 bytes an event."""

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

    def add(self, run: Run, days: Sequence[str | NotAnEvent]) -> None:
        """Add records and the day of each, or the reason why it holds no event."""
        if len(set(days)) == 1 and isinstance(days[0], str):
            self._offsets(days[0]).extend(run.offsets())
            return
        for offset, line, day in zip(run.offsets(), run.lines, days, strict=True):
            if isinstance(day, NotAnEvent):
                length = len(line) + RECORD_OVERHEAD_BYTES
                self.corrupt.append(
                    CorruptRange(offset, length, str(day), at_end=False, has_whole_line=True)
                )
            else:
                self._offsets(day).append(offset)

    def _offsets(self, day: str) -> "array[int]":
        if day not in self.days:
            self.days[day] = array("Q")
        return self.days[day]

    def check_count(self, segment: SealedSegment) -> None:
        """Add an empty corrupt range if the segment was sealed with another number of records."""
        if not self.corrupt and self.events != segment.events:
            cause = f"it was sealed with {segment.events} records and holds {self.events}"
            self.corrupt.append(
                CorruptRange(segment.size, 0, cause, at_end=True, has_whole_line=False)
            )
