"""Deduplication: an event that is durable already is not written again.

Invariants:

- An event's identity is in the window exactly when the event is durable, within the limits of the
  window.
- Of concurrent requests with the same new id, one writes its event; the others wait until it is
  durable, and only then find out whether theirs is the same.
- An event whose id another event has is written under an id of its own: a conflict, which is
  durable like any other event.

For the event loop's thread, except `load_ids`.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from logs.events import get_logger
from storage.counters import Counters
from storage.dedup.id_log import IdBlock, IdLog
from storage.dedup.id_window import IdWindow
from storage.dedup.identity import (
    Identities,
    conflict_id,
    conflict_key,
    conflict_line,
    fingerprints,
    id_keys,
    kept_identity,
    pack,
)
from storage.journal.backlog import sealed_segments
from storage.journal.directory import JournalDirectory
from storage.journal.journal import Journal
from storage.journal.record import Record, scan
from storage.journal.segment import SealedSegment
from storage.refusals import Refusal

_log = get_logger(__name__)

_NO_DUPLICATES: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Durable:
    """The outcome of a request: the indexes of duplicates, and the segments of all its events.

    `kept_as` has, by index, the ids of events that are kept under another id than their own.
    """

    duplicates: frozenset[int]
    segments: set[str]
    kept_as: Mapping[int, str] = field(default_factory=dict)


class Deduplicator:
    """Appends events to a journal, except duplicates."""

    def __init__(self, journal: Journal, window: IdWindow, counters: Counters) -> None:
        self._journal = journal
        self._window = window
        self._counters = counters
        self._in_flight: dict[int, asyncio.Future[str]] = {}

    def refusal(self) -> Refusal | None:
        """Return the refusal that an event may get now, or None: see `Journal.refusal`."""
        return self._journal.refusal()

    async def append(self, lines: Sequence[bytes], event_ids: Sequence[str | None]) -> Durable:
        """Make the events of one request durable: on return all of them are.

        `event_ids` has the id that the client gave each event, or None. An event is a duplicate if
        the same event was durable before, or occurs earlier in this call. If its id belongs to
        another event, it is a conflict and kept under another id. Raises a Refusal: then this call
        has made none of the events durable.
        """
        given = [each for each in event_ids if each is not None]
        if not given:
            return Durable(_NO_DUPLICATES, {await self._journal.append(list(lines))})
        keys = id_keys(given)
        events = Identities(keys, fingerprints(_with_id(lines, event_ids, len(given))))
        while commits := self._commits_in_flight(keys):
            await asyncio.wait(commits)
        self._window.forget()
        if len(set(keys)) == len(keys) and not self._window.knows_any(events):
            segment_id = await self._store(list(lines), events, keys)
            return Durable(_NO_DUPLICATES, {segment_id})
        sorting = Sorting(self._window)
        identities = zip(*events, strict=True)
        for index, (line, event_id) in enumerate(zip(lines, event_ids, strict=True)):
            if event_id is None:
                sorting.lines.append(line)
            else:
                sorting.add(index, line, event_id, *next(identities))
        return await self._finish(sorting, keys)

    async def _finish(self, sorting: "Sorting", keys: Sequence[int]) -> Durable:
        segments = sorting.segments
        if sorting.lines:
            new = Identities(list(sorting.new), list(sorting.new.values()))
            segment_id = await self._store(sorting.lines, new, keys)
            segments.add(segment_id)
            if sorting.conflicts:
                _log.warning("event id conflict", events=sorting.conflicts, segment=segment_id)
        self._counters.duplicate += len(sorting.duplicates)
        self._counters.conflict += sorting.conflicts
        return Durable(frozenset(sorting.duplicates), segments, sorting.kept_as)

    def _commits_in_flight(self, keys: Sequence[int]) -> set[asyncio.Future[str]]:
        if not self._in_flight:
            return set()
        return {future for future in map(self._in_flight.get, keys) if future is not None}

    def _store(
        self, lines: list[bytes], new: Identities, keys: Sequence[int]
    ) -> asyncio.Future[str]:
        done = self._journal.append(lines, pack(new))
        self._in_flight.update(dict.fromkeys(keys, done))
        done.add_done_callback(partial(self._settle, new, set(keys)))
        return done

    def _settle(self, new: Identities, keys: set[int], done: asyncio.Future[str]) -> None:
        for key in keys:
            del self._in_flight[key]
        if not done.cancelled() and done.exception() is None:
            self._window.add(new, done.result())


def _with_id(
    lines: Sequence[bytes], event_ids: Sequence[str | None], given: int
) -> Sequence[bytes]:
    if given == len(lines):
        return lines
    return [line for line, each in zip(lines, event_ids, strict=True) if each is not None]


class Sorting:
    """The events of a request, sorted into new ones, duplicates and conflicts.

    `lines` are to be written; `new` has key and fingerprint of those whose client gave an id.
    `segments` has those of the duplicates that were durable before.
    """

    def __init__(self, window: IdWindow) -> None:
        self._window = window
        self.lines: list[bytes] = []
        self.new: dict[int, int] = {}
        self.duplicates: set[int] = set()
        self.kept_as: dict[int, str] = {}
        self.conflicts = 0
        self.segments: set[str] = set()

    def add(self, index: int, line: bytes, event_id: str, key: int, fingerprint: int) -> None:
        """Sort the event at an index of the request; its key is that of its id."""
        if self._is_known(key, fingerprint):
            self.duplicates.add(index)
            return
        own_key = conflict_key(key, fingerprint)
        if self._is_known(own_key, fingerprint):
            self.duplicates.add(index)
            self.kept_as[index] = conflict_id(event_id, fingerprint)
        elif key in self.new or self._window.has_key(key):
            self.conflicts += 1
            self.kept_as[index] = conflict_id(event_id, fingerprint)
            self._add_new(conflict_line(line, self.kept_as[index]), own_key, fingerprint)
        else:
            self._add_new(line, key, fingerprint)

    def _is_known(self, key: int, fingerprint: int) -> bool:
        segment_id = self._window.find(key, fingerprint)
        if segment_id is not None:
            self.segments.add(segment_id)
        return segment_id is not None or self.new.get(key) == fingerprint

    def _add_new(self, line: bytes, key: int, fingerprint: int) -> None:
        self.lines.append(line)
        self.new[key] = fingerprint


def load_ids(directory: JournalDirectory, log: IdLog, window: IdWindow) -> None:
    """Fill the window from the id log and the sealed segments. Blocks; once, at start.

    No segment may be open. Raises OSError if the disk cannot be read. If it cannot be written, a
    segment whose ids are not in the log is not deleted until they are.
    """
    logged_counts: Counter[str] = Counter()
    for block in log.load():
        window.load(block)
        logged_counts[block.segment_id] = block.count
    sealed = list(sealed_segments(directory))
    for segment in _segments_to_scan(sealed, logged_counts, log.limits.max_ids):
        found = list(_identities(directory, segment))
        identities = pack(Identities(*zip(*found, strict=True))) if found else b""
        window.load(IdBlock(segment.name.id, identities, log.begun_at(segment.name.id)))
        _record(log, segment, identities)
    last = log.last_loaded
    for segment in sealed:
        if last is not None and segment.name.id == last.segment_id:
            _record(log, segment, last.identities)
    window.forget()


def _segments_to_scan(
    sealed: list[SealedSegment], logged_counts: Counter[str], max_ids: int
) -> list[SealedSegment]:
    """Return the segments, oldest first, that are not in the log and hold the last `max_ids`."""
    unknown = {each.name.id: each for each in sealed if each.name.id not in logged_counts}
    events = logged_counts + Counter({key: each.events for key, each in unknown.items()})
    found = []
    for segment_id in sorted(events, reverse=True):
        if segment_id in unknown:
            found.append(unknown[segment_id])
        max_ids -= events[segment_id]
        if max_ids <= 0:
            break
    return found[::-1]


def _record(log: IdLog, segment: SealedSegment, identities: bytes) -> None:
    try:
        log.record(segment.name.id, identities)
    except OSError as error:
        _log.error("event ids cannot be written", segment=segment.name.id, cause=str(error))
        log.record_later(segment.name.id, identities)


# Those of events whose ids the server made are among them: they cost memory, and nothing else.
def _identities(directory: JournalDirectory, segment: SealedSegment) -> Iterator[tuple[int, int]]:
    with directory.fs.open_read(directory.segment(segment.name)) as stream:
        for piece in scan(stream, segment.name.checksum_seed):
            if isinstance(piece, Record):
                yield from map(kept_identity, piece.lines)
