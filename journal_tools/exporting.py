"""`export`: the events of a journal directory as plain NDJSON."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from journal_tools.reading import SegmentFile, open_segment, read_events
from storage.journal.directory import JournalDirectory
from storage.journal.record import CorruptRange, Record


def export_segment(
    directory: JournalDirectory,
    file: SegmentFile,
    output: BinaryIO,
    advance: Callable[[int], object],
) -> Iterator[tuple[Path, CorruptRange]]:
    """Write the events of a segment, one per line, and yield its corrupt ranges.

    A torn tail of an open segment is left out: its events are not durable yet. `advance` is called
    with the bytes read at each event.
    """
    opened = open_segment(directory, file.name)
    if opened is None:
        return
    name, stream = opened
    with stream:
        for piece in read_events(stream, name):
            if isinstance(piece, Record):
                output.write(piece.line + b"\n")
                advance(piece.end - piece.offset)
            elif not (piece.at_end and name.events is None):
                yield directory.segment(name), piece
