"""A sealed segment on its way to the store: check it once, then make its objects.

`open_shipment` reads the segment from end to end and remembers, of each good record, only
its offset, by day: 8 bytes an event. Objects are made one at a time, from the disk, when
they are about to be sent. Everything here blocks and belongs in a worker thread.
"""

import io
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO, TypeVar

from storage.delivery import layout
from storage.delivery.staging import Staging, unstaged
from storage.journal.directory import JournalDirectory
from storage.journal.quarantine import quarantine_range, report_corruption
from storage.journal.record import (
    MAX_RECORD_BYTES,
    RECORD_OVERHEAD_BYTES,
    CorruptRange,
    Run,
    decode,
    scan_runs,
)
from storage.journal.segment import SealedSegment, SegmentName
from storage.stores.store import StoredObject

_Item = TypeVar("_Item")

_RECORDS_AT_ONCE = 32
_PAUSE_S = 0.0001


class SegmentVanished(Exception):
    """Somebody else removed the segment's file."""


class SegmentUnreadable(OSError):
    """A record that checked out a moment ago does not any more: the disk is failing."""


@dataclass(frozen=True, slots=True)
class Part:
    """What becomes one object: the records at `offsets`, all of one `day`."""

    day: str
    offsets: "array[int]"


@dataclass(frozen=True, slots=True)
class Shipment:
    """The checked contents of a sealed segment.

    `is_intact` unless bytes of it were no records, `damaged` counts records that are not there.
    """

    segment: SealedSegment
    days: "dict[str, array[int]]"
    events: int
    is_intact: bool

    @property
    def damaged(self) -> int:
        """How many of the records it was sealed with cannot be delivered."""
        return max(0, self.segment.events - self.events)

    @property
    def is_batched(self) -> bool:
        """Whether it is delivered as one object per day rather than one per event."""
        return layout.is_batched(self.segment.name.rules, self.segment.events)

    @property
    def objects(self) -> int:
        """How many objects it becomes."""
        return len(self.days) if self.is_batched else self.events

    def parts(self) -> Iterator[Part]:
        """One part for each object, by day and then in the order of arrival."""
        for day in sorted(self.days):
            offsets = self.days[day]
            if self.is_batched:
                yield Part(day, offsets)
            else:
                for index in range(len(offsets)):
                    yield Part(day, offsets[index : index + 1])


def pause_briefly() -> None:
    """Let another thread that waits for the interpreter run."""
    time.sleep(_PAUSE_S)


class Packer:
    """Turns sealed segments of one journal directory into objects.

    `settle_ids` makes sure that the ids in a segment, told by its id, are known without it.
    `pause` is called after every few records: Python runs one thread at a time, and who waits
    for its turn, such as the thread that answers requests, gets it within a fraction of a
    millisecond instead of the 5 that a busy thread may keep it. For the same reason one segment
    is packed at a time, whichever threads ask.
    """

    def __init__(
        self,
        directory: JournalDirectory,
        settle_ids: Callable[[str], None] = lambda segment_id: None,
        pause: Callable[[], None] = pause_briefly,
    ) -> None:
        self._directory = directory
        self._fs = directory.fs
        self._settle_ids = settle_ids
        self._pause = pause
        self._turn = threading.Lock()
        self._staging = Staging(directory)

    def open_shipment(self, segment: SealedSegment) -> Shipment:
        """Check a segment and index it; damage is kept aside and reported.

        SegmentVanished if somebody removed the segment; OSError if it cannot be read or a
        damaged piece cannot be kept: then it may be called again.
        """
        with self._turn:
            return self._stage_whole(segment) or self._index_all(segment)

    def _stage_whole(self, segment: SealedSegment) -> Shipment | None:
        """Check a segment and stage its object in one reading, half the cost of two.

        None if it is not one object, or is so already, or the disk is full.
        """
        name = segment.name
        if not layout.is_batched(name.rules, segment.events):
            return None
        with self._open(name) as stream:
            runs = self._pausing(scan_runs(stream, name.checksum_seed), every=1)
            lines = _LinesOfOneDay(runs, segment.events)
            if lines.day is None or self._staging.find(name, lines.day) is not None:
                return None
            try:
                is_staged = self._staging.write(name, lines.day, lines)
            except _SeveralObjects:
                return None
        days = {lines.day: lines.offsets}
        return Shipment(segment, days, segment.events, is_intact=True) if is_staged else None

    def _index_all(self, segment: SealedSegment) -> Shipment:
        days: dict[str, array[int]] = {}
        pieces: list[CorruptRange] = []
        with self._open(segment.name) as stream:
            for piece in self._pausing(scan_runs(stream, segment.name.checksum_seed), every=1):
                if isinstance(piece, CorruptRange):
                    pieces.append(piece)
                else:
                    pieces += _index(piece, days)
        events = sum(map(len, days.values()))
        self._keep(segment, pieces, events)
        return Shipment(segment, days, events, not pieces)

    def _pausing(self, items: Iterable[_Item], every: int) -> Iterator[_Item]:
        for number, item in enumerate(items, start=1):
            yield item
            if number % every == 0:
                self._pause()

    def _keep(self, segment: SealedSegment, pieces: list[CorruptRange], events: int) -> None:
        if not pieces and events != segment.events:
            cause = f"it was sealed with {segment.events} records and holds {events}"
            pieces = [CorruptRange(segment.size, 0, cause, at_end=True, has_whole_line=False)]
        for piece in pieces:
            quarantine_range(self._directory, segment.name, piece)
            report_corruption(self._directory, segment.name, piece)

    def pack(self, shipment: Shipment, part: Part) -> StoredObject:
        """The object of a part: the same key and bytes whenever it is called."""
        if shipment.is_batched:
            with self._turn:
                return self._batch_object(shipment, part)
        (line,) = self._lines(shipment.segment.name, part.offsets)
        key = layout.event_key(shipment.segment.name.rules.prefix, layout.address(line))
        return StoredObject(
            key, "application/json", len(line), partial(io.BytesIO, line), create_only=True
        )

    def _batch_object(self, shipment: Shipment, part: Part) -> StoredObject:
        name, day = shipment.segment.name, part.day
        is_whole = shipment.is_intact and len(part.offsets) == shipment.events
        lines = partial(self._all_lines if is_whole else self._lines, name, part.offsets)
        if (staged := self._staging.find(name, day)) is not None:
            return staged
        if self._staging.write(name, day, lines()):
            staged = self._staging.find(name, day)
        return staged or unstaged(name, day, lines())

    def _lines(self, name: SegmentName, offsets: "array[int]") -> Iterator[bytes]:
        with self._open(name) as stream:
            for offset in self._pausing(offsets, _RECORDS_AT_ONCE):
                stream.seek(offset)
                line = decode(stream.readline(MAX_RECORD_BYTES), name.checksum_seed)
                if isinstance(line, str):
                    raise self._unreadable(name, offset, line)
                yield line

    # What `_lines` gives, where all records are wanted.
    def _all_lines(self, name: SegmentName, offsets: "array[int]") -> Iterator[bytes]:
        found = 0
        with self._open(name) as stream:
            for piece in self._pausing(scan_runs(stream, name.checksum_seed), every=1):
                if isinstance(piece, CorruptRange):
                    raise self._unreadable(name, piece.offset, piece.cause)
                found += len(piece.lines)
                yield from piece.lines
        if found != len(offsets):
            raise self._unreadable(name, offsets[found], "the segment ends")

    def _unreadable(self, name: SegmentName, offset: int, cause: str) -> SegmentUnreadable:
        return SegmentUnreadable(f"{self._path(name)} at byte {offset}: {cause}")

    def discard(self, shipment: Shipment) -> None:
        """Delete a delivered segment and, after it, its staged objects.

        In this order a crash in between leaves only staged objects without a segment, which
        recovery removes; the other way round, another attempt might compress differently.
        """
        name = shipment.segment.name
        self._settle_ids(name.id)
        self._directory.remove_if_exists(self._path(name))
        if shipment.is_batched:
            self._directory.sync()
            for day in shipment.days:
                self._staging.drop(name, day)

    def _open(self, name: SegmentName) -> BinaryIO:
        try:
            return self._fs.open_read(self._path(name))
        except FileNotFoundError:
            raise SegmentVanished(str(self._path(name))) from None

    def _path(self, name: SegmentName) -> Path:
        return self._directory.segment(name)


class _SeveralObjects(Exception):
    pass


class _LinesOfOneDay:
    """The lines of a segment, as long as they are good ones of the day of the first.

    `offsets` has where they begin, once they are read. Raises _SeveralObjects at one that is not,
    or if they are not as many as were `promised`.
    """

    def __init__(self, runs: Iterator[Run | CorruptRange], promised: int) -> None:
        self._first = next(runs, None)
        self._runs = runs
        self._promised = promised
        self.day = layout.common_day(self._first.lines) if isinstance(self._first, Run) else None
        self.offsets: array[int] = array("Q")

    def __iter__(self) -> Iterator[bytes]:
        for run in chain([self._first], self._runs):
            if not isinstance(run, Run) or layout.common_day(run.lines) != self.day:
                raise _SeveralObjects
            self.offsets.extend(run.offsets())
            yield from run.lines
        if len(self.offsets) != self._promised:
            raise _SeveralObjects


def _index(run: Run, days: "dict[str, array[int]]") -> list[CorruptRange]:
    """Add the offsets of a run's events to their days; the records that hold no event."""
    found = layout.days(run.lines)
    offsets = run.offsets()
    if found is not None and found.count(found[0]) == len(found):
        days.setdefault(found[0], array("Q")).extend(offsets)
        return []
    return [
        bad
        for offset, line in zip(offsets, run.lines, strict=True)
        if (bad := _index_one(offset, line, days)) is not None
    ]


def _index_one(offset: int, line: bytes, days: "dict[str, array[int]]") -> CorruptRange | None:
    try:
        day = layout.address(line).day
    except layout.NotAnEvent as error:
        length = len(line) + RECORD_OVERHEAD_BYTES
        return CorruptRange(offset, length, str(error), at_end=False, has_whole_line=True)
    days.setdefault(day, array("Q")).append(offset)
    return None
