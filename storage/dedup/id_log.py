"""The id log: identities of events by segment, on disk (`FORMAT.md`, "Event ids").

Invariant, between calls: a file whose write or sync failed is never appended to again.

Blocks. `load` comes first; `record` and `settle` may be called from several threads.
"""

import contextlib
import logging
import math
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from logs.events import get_logger
from storage.dedup.identity import IDENTITY_BYTES
from storage.filesystem import AppendFile
from storage.journal.directory import JournalDirectory
from storage.journal.reserve import Reserve
from storage.journal.segment import created_at

_log = get_logger(__name__)

_SUFFIX = ".ids"
_FILE_NAME = re.compile(r"[0-9]{8,}\.ids")
_MAX_FILE_BYTES = 2 * 1024 * 1024
_FORMAT = 2
_HEAD = re.compile(rb"(2 (\d{8}T\d{9}Z-[0-9a-f]{16}) (\d{1,9})) ([0-9a-f]{8})\n")
_HEAD_OF_FORMAT_1 = re.compile(rb"\d{8}T\d{9}Z-[0-9a-f]{16} \d{1,9} [0-9a-f]{8}\n")


@dataclass(frozen=True, slots=True)
class IdBlock:
    """The identities of the events of one segment, as `identity.pack` writes them.

    `at` is the time at which the segment was begun, in seconds of the monotonic clock.
    """

    segment_id: str
    identities: bytes
    at: float

    @property
    def count(self) -> int:
        """The number of events."""
        return len(self.identities) // IDENTITY_BYTES


@dataclass(slots=True)
class _File:
    path: Path
    begun_at: float
    ended_at: float
    id_count: int = 0
    size: int = 0

    def add(self, block: IdBlock, size: int) -> None:
        self.ended_at = max(self.ended_at, block.at)
        self.id_count += block.count
        self.size += size


@dataclass(frozen=True, slots=True)
class IdLimits:
    """Seconds for which an id is remembered, and the number of recent ids to remember."""

    window_s: float
    max_ids: int


class IdLog:
    """The `ids` directory of a journal; on a full disk it uses the space of `reserve`.

    `now` returns Unix seconds, `monotonic` seconds.
    """

    def __init__(
        self,
        directory: JournalDirectory,
        limits: IdLimits,
        reserve: Reserve,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fs = directory.fs
        self._directory = directory.ids
        self.limits = limits
        self._reserve = reserve
        self._now = now
        self._monotonic = monotonic
        self._files: list[_File] = []
        self._last_loaded: IdBlock | None = None
        self._unrecorded: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._open: AppendFile | None = None
        self._number = 0

    def load(self) -> Iterator[IdBlock]:
        """Yield every block on disk, oldest file first. Once, before the first `record`."""
        self._fs.make_directory(self._directory)
        names = sorted(name for name, _ in self._fs.entries(self._directory))
        for name in names:
            if _FILE_NAME.fullmatch(name):
                self._number = int(name.removesuffix(_SUFFIX))
                yield from self._read(self._directory / name)

    def _read(self, path: Path) -> Iterator[IdBlock]:
        file = _File(path, self._monotonic(), -math.inf)
        with self._fs.open_read(path) as stream:
            raw = stream.read()
        block = None
        while (read := _read_block(raw, file.size)) is not None:
            segment_id, identities, size = read
            block = IdBlock(segment_id, identities, self.begun_at(segment_id))
            file.add(block, size)
            file.begun_at = min(file.begun_at, block.at)
            yield block
        tail = invalid_tail(raw, file.size)
        if tail is not None:
            _report_tail(path, tail, len(raw) - tail.offset)
        if block is not None:
            self._last_loaded = block
            self._files.append(file)
        else:
            self._fs.remove(path)

    @property
    def last_loaded(self) -> IdBlock | None:
        """The last block that was loaded, which may not be durable.

        The process that wrote it may have died before the sync, or after the sync had failed: then
        only the page cache holds the block.
        """
        return self._last_loaded

    def begun_at(self, segment_id: str) -> float:
        """Return the monotonic time at which a segment was begun, by this machine's wall clock."""
        return self._monotonic() - max(0.0, self._now() - created_at(segment_id))

    def record(self, segment_id: str, identities: bytes) -> None:
        """Make the identities of a segment durable; OSError if they are not."""
        block = IdBlock(segment_id, identities, self._monotonic())
        with self._lock:
            self._reserve.spend(partial(self._append, block))

    def record_later(self, segment_id: str, identities: bytes) -> None:
        """Hold the identities of a segment in memory until `settle` records them."""
        self._unrecorded[segment_id] = identities

    def settle(self, segment_id: str) -> None:
        """Make a segment's identities durable, before it is deleted; OSError if they are not."""
        identities = self._unrecorded.get(segment_id)
        if identities is not None:
            self.record(segment_id, identities)
            del self._unrecorded[segment_id]

    def _append(self, block: IdBlock) -> None:
        encoded = _encode(block)
        if self._open is None or self._is_full(block.at):
            self._begin()
        assert self._open is not None
        try:
            self._open.write(encoded)
            self._open.sync()
            if self._files[-1].size == 0:
                self._fs.sync_directory(self._directory)
        except OSError:
            self._give_up()
            raise
        self._files[-1].add(block, len(encoded))

    def _is_full(self, now: float) -> bool:
        file = self._files[-1]
        return file.size >= _MAX_FILE_BYTES or now - file.begun_at > self.limits.window_s / 8

    def _begin(self) -> None:
        self.close()
        now = self._monotonic()
        self._remove_expired(now)
        self._number += 1
        path = self._directory / f"{self._number:08d}{_SUFFIX}"
        self._open = self._fs.create(path)
        self._files.append(_File(path, now, now))

    # The content after the last valid block is unknown, and the block may be written again.
    def _give_up(self) -> None:
        file, open_file, self._open = self._files[-1], self._open, None
        assert open_file is not None
        with contextlib.suppress(OSError):
            open_file.truncate(file.size)
        with contextlib.suppress(OSError):
            open_file.close()
        if file.size == 0:
            self._files.pop()
            with contextlib.suppress(OSError):
                self._fs.remove(file.path)

    def _remove_expired(self, now: float) -> None:
        kept, newer_count = [], 0
        for file in reversed(self._files):
            if file.ended_at < now - self.limits.window_s or newer_count >= self.limits.max_ids:
                self._fs.remove(file.path)
            else:
                kept.append(file)
            newer_count += file.id_count
        self._files = kept[::-1]

    def close(self) -> None:
        """Close the open file."""
        if self._open is not None:
            self._open.close()
            self._open = None


def _encode(block: IdBlock) -> bytes:
    head = f"{_FORMAT} {block.segment_id} {block.count}".encode()
    return b"%b %08x\n%b" % (head, _checksum(head, block.identities), block.identities)


def _checksum(head: bytes, identities: bytes) -> int:
    return zlib.crc32(identities, zlib.crc32(head))


def _read_block(raw: bytes, offset: int) -> tuple[str, bytes, int] | None:
    """Return segment id, identities and length of the block at an offset; None if it is invalid."""
    match = _HEAD.match(raw, offset)
    if match is None:
        return None
    head, segment_id, count, checksum = match.groups()
    begin = match.end()
    end = begin + int(count) * IDENTITY_BYTES
    identities = raw[begin:end]
    if end > len(raw) or _checksum(head, identities) != int(checksum, 16):
        return None
    return segment_id.decode(), identities, end - offset


@dataclass(frozen=True, slots=True)
class InvalidTail:
    """The bytes after the last valid block of a file: torn, or corrupt if another block follows.

    A file of a version that knew ids without fingerprints is neither.
    """

    offset: int
    is_corrupt: bool
    is_format_1: bool


def invalid_tail(raw: bytes, offset: int = 0) -> InvalidTail | None:
    """Return the invalid tail of a file of ids, read from `offset` on; None if it is valid."""
    while (read := _read_block(raw, offset)) is not None:
        offset += read[2]
    if offset == len(raw):
        return None
    return InvalidTail(
        offset,
        is_corrupt=_HEAD.search(raw, offset + 1) is not None,
        is_format_1=_HEAD_OF_FORMAT_1.match(raw, offset) is not None,
    )


def _report_tail(path: Path, tail: InvalidTail, length: int) -> None:
    if tail.is_format_1:
        text = (
            "event ids of an older version are not used: retries of their events are stored again"
        )
        _log.warning(text, file=str(path))
        return
    level = logging.ERROR if tail.is_corrupt else logging.WARNING
    text = "event ids are corrupt" if tail.is_corrupt else "torn block of event ids left out"
    _log.log(level, text, file=str(path), offset=tail.offset, bytes=length)
