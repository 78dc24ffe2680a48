"""The open segment: append, make durable, seal.

Invariants, between calls:

- At most one segment is open. Its file is made with the first events, after the reserve is held.
- `size` and `events` count what is durable: written, fdatasynced, and reachable by a
  synced directory entry.
- A segment whose write or sync failed is never appended to again. It is cut at its last durable
  byte and sealed, or, if the disk refuses that too, waits in `_distrusted` for `repair`.

Blocks; for one thread, but the event loop may read the properties, through `Journal`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from logs.events import get_logger
from storage.filesystem import AppendFile
from storage.journal.directory import JournalDirectory
from storage.journal.record import encode
from storage.journal.reserve import Reserve
from storage.journal.segment import SealedSegment, SegmentName

_log = get_logger(__name__)


@dataclass(slots=True)
class _Segment:
    name: SegmentName
    path: Path
    file: AppendFile
    size: int = 0
    events: int = 0
    identities: list[bytes] = field(default_factory=list)
    identities_recorded: bool = False


class Appended(NamedTuple):
    """The segment that holds events, and the bytes that they take there."""

    segment_id: str
    size: int


class SegmentWriter:
    """Appends records to the open segment and seals it.

    `new_name` returns the name for each new segment. `record_identities` is called with a segment's
    id and the identities of its events before the segment is sealed; it may raise OSError.
    """

    def __init__(
        self,
        directory: JournalDirectory,
        new_name: Callable[[], SegmentName],
        record_identities: Callable[[str, bytes], None],
        reserve: Reserve,
    ) -> None:
        self._directory = directory
        self._fs = directory.fs
        self._new_name = new_name
        self._record_identities = record_identities
        self._reserve = reserve
        self._open: _Segment | None = None
        self._sealed: list[SealedSegment] = []
        self._distrusted: list[_Segment] = []
        self._removed: list[str] = []

    @property
    def size(self) -> int:
        """The number of durable bytes in the open segment."""
        return self._open.size if self._open else 0

    @property
    def events(self) -> int:
        """The number of durable events in the open segment."""
        return self._open.events if self._open else 0

    @property
    def open_since(self) -> float | None:
        """The time at which the open segment was begun, in Unix seconds; None without events."""
        segment = self._open
        return segment.name.created_at if segment and segment.events else None

    def append(self, lines: Sequence[bytes], identities: bytes = b"") -> Appended:
        """Make events durable, and return where.

        `identities` are recorded when the segment is sealed. If this raises, most likely OSError,
        none of the events is durable, and the open segment has been given up.
        """
        segment = self._open
        try:
            if segment is None:
                segment = self._open = self._begin()
            size = self._append_to(segment, lines)
            segment.identities.append(identities)
        except Exception:
            if segment is not None:
                self._give_up(segment)
            raise
        return Appended(segment.name.id, size)

    def _begin(self) -> _Segment:
        self._reserve.hold()
        name = self._new_name()
        path = self._directory.segment(name)
        return _Segment(name, path, self._fs.create(path))

    def _append_to(self, segment: _Segment, lines: Sequence[bytes]) -> int:
        records = encode(lines, segment.name.checksum_seed)
        segment.file.write(records)
        segment.file.sync()
        if segment.size == 0:
            self._directory.sync()
        segment.size += len(records)
        segment.events += len(lines)
        return len(records)

    def seal(self) -> None:
        """Seal the open segment, if there is one; `take_sealed` then returns it.

        Its events stay durable even on OSError: then the segment waits for `repair`. If only the
        directory could not be synced, the segment counts as sealed, since a crash would at worst
        bring its old name back.
        """
        if self._open is None:
            return
        segment, self._open = self._open, None
        try:
            segment.file.close()
            self._rename(segment)
        except OSError:
            self._distrusted.append(segment)
            raise
        self._directory.sync()

    def take_sealed(self) -> list[SealedSegment]:
        """Return the segments sealed since the last call."""
        sealed, self._sealed = self._sealed, []
        return sealed

    def take_removed(self) -> list[str]:
        """Return the ids of segments found removed before they were sealed, since the last call."""
        removed, self._removed = self._removed, []
        return removed

    def repair(self) -> None:
        """Seal what could not be sealed, hold the reserve, write a probe; OSError if one fails."""
        while self._distrusted:
            segment = self._distrusted[-1]
            try:
                segment.file = self._fs.reopen(segment.path)
            except FileNotFoundError:
                _report_removed(segment)
                self._removed.append(segment.name.id)
            else:
                self._cut_and_seal(segment)
            self._distrusted.pop()
        self._directory.sync()
        self._reserve.hold()
        self._directory.check_writable()

    def _give_up(self, segment: _Segment) -> None:
        self._open = None
        try:
            self._cut_and_seal(segment)
        except OSError as error:
            self._distrusted.append(segment)
            _log.warning(
                "segment cannot be cut at its last durable byte yet",
                segment=segment.name.id,
                cause=str(error),
            )

    def _cut_and_seal(self, segment: _Segment) -> None:
        try:
            segment.file.truncate(segment.size)
            segment.file.sync()
        finally:
            segment.file.close()
        self._rename(segment)

    # The caller syncs the directory, as a step of its own: without it a crash brings back the old
    # name, and recovery seals the same records again.
    def _rename(self, segment: _Segment) -> None:
        if segment.events == 0:
            self._fs.remove(segment.path)
            return
        if not segment.identities_recorded:
            self._record_identities(segment.name.id, b"".join(segment.identities))
            segment.identities_recorded = True
        sealed = SealedSegment(segment.name.sealed(segment.events), segment.size)
        target = self._directory.segment(sealed.name)
        self._reserve.spend(lambda: self._fs.rename(segment.path, target))
        self._sealed.append(sealed)


def _report_removed(segment: _Segment) -> None:
    _log.error(
        "segment was removed before it was sealed", file=str(segment.path), events=segment.events
    )
