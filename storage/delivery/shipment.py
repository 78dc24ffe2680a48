"""The delivery of one sealed segment: it is checked once, then its objects are made.

`open_shipment` reads the segment once and keeps only the place of each event, by day: 8 bytes per
event. Objects are made one at a time, from the disk, just before they are sent.
Everything here blocks and belongs in a worker thread.
"""

import io
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from storage.dedup.identity import conflict_id, conflict_line, kept_identity
from storage.delivery import layout
from storage.delivery.segment_index import SegmentIndex
from storage.delivery.staging import Draft, Staging, object_in_memory
from storage.journal.directory import JournalDirectory
from storage.journal.quarantine import quarantine_range, report_corruption
from storage.journal.record import (
    EVENTS_PER_RECORD,
    CorruptRange,
    Invalid,
    Record,
    read_record,
    scan,
)
from storage.journal.reserve import is_disk_full
from storage.journal.segment import SealedSegment, SegmentName
from storage.stores.store import StoredObject

_BYTES_BETWEEN_PAUSES = 32 * 1024
_PAUSE_S = 0.0001


class SegmentVanished(Exception):
    """The segment's file was removed by somebody else."""


class SegmentUnreadable(OSError):
    """A record that was valid when the segment was checked is not any more: the disk is failing."""


@dataclass(frozen=True, slots=True)
class ObjectPlan:
    """The events that become one object: those at `places`, all of one `day`."""

    day: str
    places: "array[int]"


@dataclass(frozen=True, slots=True)
class Shipment:
    """The checked contents of a sealed segment: the places of its events by day."""

    segment: SealedSegment
    days: "dict[str, array[int]]"
    events: int

    @property
    def corrupt_events(self) -> int:
        """The number of events it was sealed with that cannot be delivered."""
        return max(0, self.segment.events - self.events)

    @property
    def is_batched(self) -> bool:
        """True if it is delivered as one object per day, False if as one per event."""
        return layout.is_batched(self.segment.name.rules, self.segment.events)

    @property
    def objects(self) -> int:
        """The number of objects it becomes."""
        return len(self.days) if self.is_batched else self.events

    def plans(self) -> Iterator[ObjectPlan]:
        """Yield a plan for each object, by day and then in the order of arrival."""
        for day in sorted(self.days):
            places = self.days[day]
            if self.is_batched:
                yield ObjectPlan(day, places)
            else:
                for index in range(len(places)):
                    yield ObjectPlan(day, places[index : index + 1])


def pause_briefly() -> None:
    """Let another thread that is waiting for the interpreter run."""
    time.sleep(_PAUSE_S)


class Packer:
    """Turns sealed segments of one journal directory into objects.

    `settle_ids` takes a segment's id and makes its event ids durable in the id log, so that the
    segment can be deleted.
    `pause` is called after every few records: Python runs one thread at a time, and with pauses a
    waiting thread, such as the one that responds to requests, runs within a fraction of a
    millisecond instead of the 5 ms that a busy thread may keep the interpreter. For the same
    reason only one segment is packed at a time.
    """

    def __init__(
        self,
        directory: JournalDirectory,
        settle_ids: Callable[[str], None] = lambda segment_id: None,
        pause: Callable[[], None] = pause_briefly,
    ) -> None:
        self._directory = directory
        self._settle_ids = settle_ids
        self._pause = pause
        self._turn = threading.Lock()
        self._unpaused_bytes = 0
        self._staging = Staging(directory)

    def open_shipment(self, segment: SealedSegment) -> Shipment:
        """Check and index a segment; corrupt ranges are quarantined and reported.

        Raises SegmentVanished if the segment was removed, and OSError if it cannot be read or a
        corrupt range cannot be quarantined; then it may be called again.
        """
        with self._turn:
            is_batched = layout.is_batched(segment.name.rules, segment.events)
            index = self._stage(segment) if is_batched else self._index(segment)
            for piece in index.corrupt:
                quarantine_range(self._directory, segment.name, piece)
                report_corruption(self._directory, segment.name, piece)
        return Shipment(segment, index.days, index.events)

    def _stage(self, segment: SealedSegment) -> SegmentIndex:
        """Check and index a segment, and stage the object of its first day if nothing is corrupt.

        Most segments hold events of one day, and then need no second reading.
        """
        name = segment.name
        try:
            with self._staging.draft(name) as draft:
                index = self._index(segment, draft)
                if index.first_day is not None and not index.corrupt:
                    self._staging.commit(draft, name, index.first_day)
                return index
        except OSError as error:
            if not is_disk_full(error):
                raise
            return self._index(segment)

    def _index(self, segment: SealedSegment, draft: Draft | None = None) -> SegmentIndex:
        index = SegmentIndex()
        with self._open(segment.name) as stream:
            for piece in scan(stream, segment.name.checksum_seed):
                if isinstance(piece, CorruptRange):
                    index.corrupt.append(piece)
                    continue
                places = index.add(piece)
                if draft is not None:
                    draft.add(piece.text_at(places))
                self._pause_after(piece)
        index.check_count(segment)
        return index

    def _pause_after(self, record: Record) -> None:
        self._unpaused_bytes += record.size
        if self._unpaused_bytes >= _BYTES_BETWEEN_PAUSES:
            self._unpaused_bytes = 0
            self._pause()

    def pack(self, shipment: Shipment, plan: ObjectPlan) -> StoredObject:
        """Make an object: every call with the same plan returns the same key and bytes."""
        if shipment.is_batched:
            with self._turn:
                return self._batch_object(shipment, plan)
        with self._open(shipment.segment.name) as stream:
            (line,) = self._record(stream, shipment.segment, plan.places[0]).lines_at(plan.places)
        return _event_object(shipment.segment.name.rules.prefix, line)

    def pack_beside(
        self, shipment: Shipment, line: bytes, *, is_hidden: bool = False
    ) -> StoredObject:
        """Make the object of an event whose key is taken; a hidden one is not seen by readers."""
        prefix = shipment.segment.name.rules.prefix
        if is_hidden:
            prefix = layout.unverified_prefix(prefix)
        _, fingerprint = kept_identity(line)
        kept_as = conflict_id(layout.address(line).event_id, fingerprint)
        return _event_object(prefix, conflict_line(line, kept_as))

    def _batch_object(self, shipment: Shipment, plan: ObjectPlan) -> StoredObject:
        name, day = shipment.segment.name, plan.day
        if (staged := self._staging.find(name, day)) is not None:
            return staged
        if self._staging.write(name, day, self._portions(shipment.segment, plan)):
            staged = self._staging.find(name, day)
        return staged or object_in_memory(name, day, self._portions(shipment.segment, plan))

    def _portions(self, segment: SealedSegment, plan: ObjectPlan) -> Iterator[bytes]:
        with self._open(segment.name) as stream:
            for _, places in groupby(plan.places, lambda place: place // EVENTS_PER_RECORD):
                first, *others = places
                record = self._record(stream, segment, first)
                yield record.text_at([first, *others])
                self._pause_after(record)

    def _record(self, stream: BinaryIO, segment: SealedSegment, place: int) -> Record:
        offset = stream.seek(place // EVENTS_PER_RECORD)
        record = read_record(stream, offset, segment.size, segment.name.checksum_seed)
        if isinstance(record, Invalid):
            path = self._path(segment.name)
            raise SegmentUnreadable(f"{path} at byte {offset}: {record.cause}")
        return record

    def discard(self, shipment: Shipment) -> None:
        """Delete a delivered segment, then its staged objects.

        A crash in between leaves only staged objects without a segment, which recovery removes.
        In the opposite order another attempt might compress the segment to other bytes.
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
            return self._directory.fs.open_read(self._path(name))
        except FileNotFoundError:
            raise SegmentVanished(str(self._path(name))) from None

    def _path(self, name: SegmentName) -> Path:
        return self._directory.segment(name)


def _event_object(prefix: str, line: bytes) -> StoredObject:
    key = layout.event_key(prefix, layout.address(line))
    return StoredObject(
        key, "application/json", len(line), partial(io.BytesIO, line), create_only=True
    )
