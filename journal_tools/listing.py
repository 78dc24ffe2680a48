"""`ls`: the segments and other files of a journal directory."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from journal_tools.reading import Events, SegmentFile, open_segment, read_events, segment_files
from storage.journal.directory import JournalDirectory

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_ROW = "{:<36}  {:<6}  {:>10}  {:>10}  {:>9}  {:<8}  {}"


@dataclass(frozen=True, slots=True)
class Row:
    """One segment; `age_s` is in seconds by this machine's clock."""

    segment: str
    state: str
    events: int
    bytes: int
    age_s: float
    layout: str
    prefix: str


def rows(directory: JournalDirectory, now: float) -> Iterator[Row]:
    """Yield every segment, the oldest first; the events of an open one are counted by reading."""
    for file in segment_files(directory):
        events = _events(directory, file)
        if events is not None:
            yield Row(
                file.name.id,
                "open" if file.is_open else "sealed",
                events,
                file.size,
                round(max(0.0, now - file.name.created_at), 1),
                file.name.rules.layout,
                file.name.rules.prefix,
            )


def _events(directory: JournalDirectory, file: SegmentFile) -> int | None:
    if file.name.events is not None:
        return file.name.events
    opened = open_segment(directory, file.name)
    if opened is None:
        return None
    name, stream = opened
    with stream:
        found = read_events(stream, name)
        return sum(len(piece.lines) for piece in found if isinstance(piece, Events))


def other_files(directory: JournalDirectory) -> dict[str, tuple[int, int]]:
    """Return the number of files, and of bytes in them, of each directory beside the segments."""
    found = {}
    for path in (directory.staged, directory.quarantine, directory.ids):
        try:
            sizes = [size for _, size in directory.fs.entries(path)]
        except FileNotFoundError:
            continue
        found[path.name] = (len(sizes), sum(sizes))
    return found


def as_text(found: Sequence[Row], beside: dict[str, tuple[int, int]]) -> Iterator[str]:
    """Yield the lines of a table for people."""
    yield _ROW.format("SEGMENT", "STATE", "EVENTS", "BYTES", "AGE", "LAYOUT", "PREFIX")
    for row in found:
        yield _row(row)
    total = Row(
        counted(len(found), "segment"),
        "",
        sum(row.events for row in found),
        sum(row.bytes for row in found),
        max((row.age_s for row in found), default=0.0),
        "",
        "",
    )
    yield _row(total).rstrip()
    for name, (files, size) in beside.items():
        if files:
            yield f"{name}/: {counted(files, 'file')}, {_size(size)}"


def _row(row: Row) -> str:
    size, age = _size(row.bytes), _age(row.age_s)
    return _ROW.format(row.segment, row.state, f"{row.events:,}", size, age, row.layout, row.prefix)


def as_json(found: Sequence[Row], beside: dict[str, tuple[int, int]]) -> str:
    """Return one JSON object for programs."""
    directories = {
        name: {"files": files, "bytes": total} for name, (files, total) in beside.items()
    }
    return json.dumps({"segments": [asdict(row) for row in found], **directories})


def counted(number: int, noun: str) -> str:
    """Return a number and its noun, singular or plural."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _size(size: float) -> str:
    for unit in _UNITS[:-1]:
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} {_UNITS[-1]}"


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f}s"
    if seconds < 86400:
        return time.strftime("%H:%M:%S", time.gmtime(seconds))
    return f"{seconds / 86400:.1f}d"
