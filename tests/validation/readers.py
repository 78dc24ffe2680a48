"""Readers of events for tests, with a fixed clock, and without the fast path where wanted."""

from itertools import count

from validation.fast_path import FastPath
from validation.json_problems import find_problems
from validation.outcomes import RequestInfo
from validation.problems import Problems
from validation.reader import EventReader
from validation.shapes import LEARNING_S
from validation.turns import Meter, at_once

NOW = 1_795_455_000.0  # 2026-11-23T17:30:00Z


def make_column_reader(
    max_event_bytes: int = 1000, max_batch_events: int = 10, learns_one_in: int = 1
) -> EventReader:
    """Return a reader that reads even the shortest array in columns, if it knows the shape.

    It learns from one in so many texts of which it does not know the shape.
    """
    ticks = count()
    fast_path = FastPath(
        max_event_bytes,
        max_batch_events,
        lambda: "made",
        lambda: NOW,
        lambda: next(ticks) * LEARNING_S / learns_one_in,
        columns_bytes=0,
    )
    reader = make_reader(max_event_bytes, max_batch_events)
    setattr(reader, "_fast_path", fast_path)  # noqa: B010
    return reader


def make_reader(max_event_bytes: int = 1000, max_batch_events: int = 10) -> EventReader:
    return EventReader(max_event_bytes, max_batch_events, lambda: "made", lambda: NOW)


def without_fast_path(reader: EventReader) -> EventReader:
    """Leave every event of a reader to the schema."""
    setattr(reader, "_fast_path", _ReadsNothing())  # noqa: B010  mypy accepts no other class
    return reader


class _ReadsNothing:
    def one(self, text: bytes, info: RequestInfo) -> None:
        return None

    def several(self, text: bytes, info: RequestInfo) -> None:
        return None

    def each(self, texts: list[bytes], info: RequestInfo) -> None:
        return None


def problems_of(value: object) -> Problems:
    """Return the problems of a value that `strict_json` has parsed."""
    return at_once(find_problems(value, Meter()))
