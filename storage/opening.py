"""The steps that open a journal directory, in the only safe order:

1. Take the lock: no other process changes the directory from here on.
2. Recover: every segment is sealed, and every listed file survives a power cut.
3. Load the event ids: every durable id is known before an event is accepted, and before a
   segment, which may be the only record of its ids, is delivered and deleted.
4. Count the backlog: events that were durable at start are counted before they are delivered.
5. Start the shipper, which deletes segments.
"""

from collections.abc import Callable
from dataclasses import dataclass

from logs.events import get_logger
from storage.counters import Counters
from storage.dedup.deduplicator import load_ids
from storage.dedup.id_log import IdLimits, IdLog
from storage.dedup.id_window import IdWindow
from storage.delivery.shipment import Packer, pause_briefly
from storage.delivery.shipper import Shipper
from storage.journal.backlog import Backlog
from storage.journal.directory import JournalDirectory
from storage.journal.lock import DirectoryLock
from storage.journal.permissions import open_to_others
from storage.journal.recovery import recover
from storage.journal.reserve import Reserve
from storage.stores.store import Store

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OpeningLimits:
    """Limits on disk space, memory and connections.

    `id_limits` bounds the id log on disk, `max_ids_in_memory` the window; `reserve_bytes` is the
    disk space to set aside for sealing, `uploads` the number of concurrent uploads.
    """

    id_limits: IdLimits
    max_ids_in_memory: int
    reserve_bytes: int
    uploads: int


@dataclass(frozen=True, slots=True)
class OpenDirectory:
    """The parts that are open in a locked journal directory: all but the journal itself."""

    lock: DirectoryLock
    reserve: Reserve
    id_log: IdLog
    id_window: IdWindow
    counters: Counters
    backlog: Backlog
    shipper: Shipper


def open_directory(
    directory: JournalDirectory,
    store: Store,
    limits: OpeningLimits,
    pause: Callable[[], None] = pause_briefly,
) -> OpenDirectory:
    """Lock a journal directory, recover it, and begin to ship its segments.

    A directory that other users may write to is logged as a warning.

    `pause` is called between the steps of packing a segment; see `Packer`. Blocks; needs a running
    event loop. Raises DirectoryInUse if another process holds the directory, OSError if the disk
    refuses; then the lock is released, and no event is lost.
    """
    directory.fs.make_directory(directory.path)
    lock = DirectoryLock(directory)
    try:
        recover(directory)
        reserve = Reserve(directory, limits.reserve_bytes)
        id_log = IdLog(directory, limits.id_limits, reserve)
        id_window = IdWindow(IdLimits(limits.id_limits.window_s, limits.max_ids_in_memory))
        load_ids(directory, id_log, id_window)
        counters = Counters()
        backlog = Backlog(directory, counters)
        backlog.load()
        packer = Packer(directory, id_log.settle, pause)
        shipper = Shipper(backlog, packer, store, concurrency=limits.uploads)
    except BaseException:
        lock.release()
        raise
    _warn_of_open_permissions(directory)
    return OpenDirectory(lock, reserve, id_log, id_window, counters, backlog, shipper)


def _warn_of_open_permissions(directory: JournalDirectory) -> None:
    for found in open_to_others(directory):
        _log.warning(
            "other users may write to the journal directory",
            path=str(found.path),
            mode=f"{found.mode:04o}",
            remedy=found.remedy,
        )
