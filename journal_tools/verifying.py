"""`verify`: all checksums of a journal directory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from journal_tools.listing import counted
from journal_tools.reading import Events, SegmentFile, open_segment, read_events, unproven_events
from storage.dedup.id_log import invalid_tail
from storage.journal.directory import JournalDirectory


@dataclass(frozen=True, slots=True)
class InvalidRange:
    """Invalid bytes of a file: a torn tail that an interrupted write left, or corrupt.

    `unproven_events` is the number of lines in a corrupt range that still are events.
    """

    path: Path
    offset: int
    length: int
    cause: str
    is_corrupt: bool
    unproven_events: int = 0

    def __str__(self) -> str:
        """Return the line that `verify` prints."""
        kind = "CORRUPT" if self.is_corrupt else "torn"
        text = f"{kind}  {self.path} at byte {self.offset}, {self.length} bytes: {self.cause}"
        found = self.unproven_events
        return f"{text}; {counted(found, 'line')} in it may be whole events" if found else text


@dataclass(slots=True)
class Totals:
    """Totals over the files that were verified."""

    segments: int = 0
    events: int = 0
    corrupt: int = 0


def verify_segment(
    directory: JournalDirectory,
    file: SegmentFile,
    totals: Totals,
    advance: Callable[[int], object],
) -> Iterator[InvalidRange]:
    """Yield the invalid ranges of a segment; `advance` is called with the bytes of each step."""
    opened = open_segment(directory, file.name)
    if opened is None:
        return
    name, stream = opened
    events = 0
    invalid = []
    with stream:
        for piece in read_events(stream, name):
            if isinstance(piece, Events):
                events += len(piece.lines)
                advance(piece.size)
                continue
            is_corrupt = not (piece.at_end and name.events is None)
            unproven = sum(1 for _ in unproven_events(stream, piece)) if is_corrupt else 0
            path = directory.segment(name)
            found = InvalidRange(
                path, piece.offset, piece.length, piece.cause, is_corrupt, unproven
            )
            invalid.append(found)
            advance(piece.length)
    if name.events not in (None, events) and not invalid:
        cause = f"it was sealed with {name.events} events and holds {events}"
        invalid.append(InvalidRange(directory.segment(name), file.size, 0, cause, is_corrupt=True))
    totals.segments += 1
    totals.events += events
    yield from invalid


def verify_ids(directory: JournalDirectory) -> Iterator[InvalidRange]:
    """Yield the invalid ranges of the id log."""
    try:
        names = sorted(name for name, _ in directory.fs.entries(directory.ids))
    except FileNotFoundError:
        return
    for name in names:
        path = directory.ids / name
        try:
            with directory.fs.open_read(path) as stream:
                raw = stream.read()
        except FileNotFoundError:
            continue
        tail = invalid_tail(raw)
        if tail is not None:
            cause = "a block of event ids is invalid"
            if tail.is_format_1:
                cause = "the event ids are in the format of an older version and are not used"
            yield InvalidRange(path, tail.offset, len(raw) - tail.offset, cause, tail.is_corrupt)
