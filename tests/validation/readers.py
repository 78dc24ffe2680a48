"""Readers of events for tests, with a fixed clock, and without the fast path where wanted."""

from validation.outcomes import RequestInfo
from validation.reader import EventReader
from validation.turns import Turns

NOW = 1_795_455_000.0  # 2026-11-23T17:30:00Z


def make_reader(max_event_bytes: int = 1000, max_batch_events: int = 10) -> EventReader:
    return EventReader(max_event_bytes, max_batch_events, lambda: "made", lambda: NOW)


def without_fast_path(reader: EventReader) -> EventReader:
    """Leave every event of a reader to the schema."""
    setattr(reader, "_fast_path", _ReadsNothing())  # noqa: B010  mypy accepts no other class
    return reader


class _ReadsNothing:
    def one(self, text: bytes, info: RequestInfo) -> None:
        return None

    def several(self, text: bytes, info: RequestInfo) -> Turns[None]:
        return None
        yield
