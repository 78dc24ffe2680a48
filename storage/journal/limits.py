"""The limits of a journal."""

from dataclasses import dataclass

from storage.journal.record import encoded_size


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """Age in seconds and size in bytes at which a segment is sealed, and disk space for all.

    With `seal_when_idle` a segment is also sealed as soon as it could be shipped at once. An event
    has at most `event_max_bytes`.
    """

    flush_interval_s: float
    segment_max_bytes: int
    max_bytes: int
    seal_when_idle: bool
    event_max_bytes: int = 0

    @property
    def largest_record_bytes(self) -> int:
        """The room that an event of the largest size takes."""
        return encoded_size([self.event_max_bytes])

    @property
    def clear_room_bytes(self) -> int:
        """The room from which on a full journal counts as usable again."""
        return max(2 * self.largest_record_bytes, self.max_bytes // 100)
