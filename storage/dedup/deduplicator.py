"""Deduplication: an event whose id is durable already is not written again.

Invariants:

- An id is in the window exactly when its event is durable, within the limits of the window.
- Of concurrent requests with the same new id, one writes the event; the others wait until it is
  durable, and write it themselves if that fails.

For the event loop's thread, except `load_ids`.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import orjson

from logs.events import get_logger
from storage.counters import Counters
from storage.dedup.id_log import IdBlock, IdLog, id_digest
from storage.dedup.id_window import IdWindow
from storage.journal.backlog import sealed_segments
from storage.journal.directory import JournalDirectory
from storage.journal.journal import Journal
from storage.journal.record import Record, scan
from storage.journal.segment import SealedSegment
from storage.refusals import Refusal

_log = get_logger(__name__)

_NONE: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Durable:
    """The outcome of a request: the indexes of duplicates, and the segments of all its events."""

    duplicates: frozenset[int]
    segments: set[str]


class Deduplicator:
    """Appends events to a journal, except duplicates."""

    def __init__(self, journal: Journal, window: IdWindow, counters: Counters) -> None:
        self._journal = journal
        self._window = window
        self._counters = counters
        self._in_flight: dict[bytes, asyncio.Future[str]] = {}

    def refusal(self) -> Refusal | None:
        """Return the refusal that an event may get now, or None: see `Journal.refusal`."""
        return self._journal.refusal()

    async def append(self, lines: Sequence[bytes], event_ids: Sequence[str | None]) -> Durable:
        """Make events durable: on return all of them are.

        `event_ids` has the id that the client gave each event, or None. An event is a duplicate if
        its id was durable before, or occurs earlier in this call. Raises a Refusal: then this call
        has made none of the events durable.
        """
        if not any(event_ids):
            return Durable(_NONE, {await self._store(list(lines), {})})
        digests = [None if each is None else id_digest(each) for each in event_ids]
        while commits := self._commits_in_flight(digests):
            await asyncio.wait(commits)
        self._window.forget()
        fresh: list[bytes] = []
        new_digests: dict[bytes, None] = {}
        duplicates: list[int] = []
        segments: set[str] = set()
        for index, digest in enumerate(digests):
            if digest is not None:
                known = self._window.find(digest)
                if known is not None:
                    segments.add(known)
                if known is not None or digest in new_digests:
                    duplicates.append(index)
                    continue
                new_digests[digest] = None
            fresh.append(lines[index])
        if fresh:
            segments.add(await self._store(fresh, new_digests))
        self._counters.duplicate += len(duplicates)
        return Durable(frozenset(duplicates) if duplicates else _NONE, segments)

    def _commits_in_flight(self, digests: Sequence[bytes | None]) -> set[asyncio.Future[str]]:
        if not self._in_flight:
            return set()
        found = (self._in_flight.get(digest) for digest in digests if digest is not None)
        return {future for future in found if future is not None}

    def _store(self, lines: list[bytes], new_digests: dict[bytes, None]) -> asyncio.Future[str]:
        done = self._journal.append(lines, b"".join(new_digests))
        if new_digests:
            self._in_flight.update(dict.fromkeys(new_digests, done))
            done.add_done_callback(partial(self._settle, new_digests))
        return done

    def _settle(self, new_digests: dict[bytes, None], done: asyncio.Future[str]) -> None:
        for digest in new_digests:
            del self._in_flight[digest]
        if not done.cancelled() and done.exception() is None:
            self._window.add(new_digests, done.result())


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
        digests = b"".join(_digests(directory, segment))
        window.load(IdBlock(segment.name.id, digests, log.begun_at(segment.name.id)))
        _record(log, segment, digests)
    last = log.last_loaded
    for segment in sealed:
        if last is not None and segment.name.id == last.segment_id:
            _record(log, segment, last.digests)
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


def _record(log: IdLog, segment: SealedSegment, digests: bytes) -> None:
    try:
        log.record(segment.name.id, digests)
    except OSError as error:
        _log.error("event ids cannot be written", segment=segment.name.id, cause=str(error))
        log.record_later(segment.name.id, digests)


# Ids that the server made are among them: they cost memory, and nothing else.
def _digests(directory: JournalDirectory, segment: SealedSegment) -> Iterator[bytes]:
    with directory.fs.open_read(directory.segment(segment.name)) as stream:
        for piece in scan(stream, segment.name.checksum_seed):
            if isinstance(piece, Record):
                yield id_digest(_event_id(piece.line))


def _event_id(line: bytes) -> str:
    try:
        return str(orjson.loads(line)["event_id"])
    except (ValueError, KeyError, TypeError):
        return ""
