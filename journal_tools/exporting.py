"""`export`: the events of a journal directory as plain NDJSON."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from journal_tools.reading import Events, SegmentFile, open_segment, read_events, unproven_events
from storage.journal.directory import JournalDirectory
from storage.journal.record import CorruptRange


def export_segment(
    directory: JournalDirectory,
    file: SegmentFile,
    output: BinaryIO,
    advance: Callable[[int], object],
    *,
    salvages: bool = False,
) -> Iterator[tuple[Path, CorruptRange]]:
    """Write the events of a segment, one per line, and yield its corrupt ranges.

    If it `salvages`, also write the lines of corrupt ranges that still are events. A torn tail of
    an open segment is left out: its events are not durable yet. `advance` is called with the bytes
    read at each step.
    """
    opened = open_segment(directory, file.name)
    if opened is None:
        return
    name, stream = opened
    with stream:
        for piece in read_events(stream, name):
            if isinstance(piece, Events):
                output.writelines(line + b"\n" for line in piece.lines)
                advance(piece.size)
            elif not (piece.at_end and name.events is None):
                if salvages:
                    output.writelines(line + b"\n" for line in unproven_events(stream, piece))
                yield directory.segment(name), piece
