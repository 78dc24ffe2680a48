"""`verify`: every checksum of a journal directory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from journal_tools.reading import SegmentFile, open_segment, pieces
from storage.dedup.id_log import invalid_tail
from storage.journal.directory import JournalDirectory
from storage.journal.record import CorruptRange, Record
from storage.journal.segment import SegmentName


@dataclass(frozen=True, slots=True)
class Problem:
    """Bytes that do not check out; `is_corrupt` is False for what an interrupted write explains."""

    path: Path
    offset: int
    length: int
    cause: str
    is_corrupt: bool

    def __str__(self) -> str:
        """As `verify` prints it."""
        kind = "CORRUPT" if self.is_corrupt else "torn"
        return f"{kind}  {self.path} at byte {self.offset}, {self.length} bytes: {self.cause}"


@dataclass(slots=True)
class Checked:
    """What was looked at so far."""

    segments: int = 0
    events: int = 0
    problems: int = 0
    corrupt: int = 0


def check_segment(
    directory: JournalDirectory,
    file: SegmentFile,
    checked: Checked,
    advance: Callable[[int], object],
) -> Iterator[Problem]:
    """What is wrong with a segment; `advance` is told how many bytes were read."""
    opened = open_segment(directory, file.name)
    if opened is None:
        return
    name, stream = opened
    events = 0
    problems = []
    with stream:
        for piece in pieces(stream, name):
            if isinstance(piece, Record):
                events += 1
                advance(piece.end - piece.offset)
            else:
                problems.append(_problem(directory, name, piece))
                advance(piece.length)
    if name.events not in (None, events) and not problems:
        cause = f"it was sealed with {name.events} records and holds {events}"
        problems.append(Problem(directory.segment(name), file.size, 0, cause, is_corrupt=True))
    checked.segments += 1
    checked.events += events
    yield from problems


def _problem(directory: JournalDirectory, name: SegmentName, piece: CorruptRange) -> Problem:
    is_torn = piece.at_end and name.events is None
    return Problem(
        directory.segment(name), piece.offset, piece.length, piece.cause, is_corrupt=not is_torn
    )


def check_ids(directory: JournalDirectory) -> Iterator[Problem]:
    """What is wrong with the files of event ids."""
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
            cause = "a block of event ids does not check out"
            yield Problem(path, tail.offset, len(raw) - tail.offset, cause, tail.is_corrupt)
