"""Opening a journal directory: the one place that knows the order.

The order is a safety property:

1. Take the lock: nobody else changes the directory from here on.
2. Recover: no segment is open any more, and what is listed survives a power cut.
3. Load the ids: every id that is durable is known before an event is taken or a segment, which
   may be the only place that has its ids, is delivered and deleted.
4. Count the backlog: what was durable at the start is counted before it can be delivered.
5. Start the shipper, which deletes segments.
"""

from collections.abc import Callable
from dataclasses import dataclass

from storage.counters import Counters
from storage.dedup.deduplicator import load_ids
from storage.dedup.id_log import IdLimits, IdLog
from storage.dedup.id_window import IdWindow
from storage.delivery.shipment import Packer, pause_briefly
from storage.delivery.shipper import Shipper
from storage.journal.backlog import Backlog
from storage.journal.directory import JournalDirectory
from storage.journal.lock import DirectoryLock
from storage.journal.recovery import recover
from storage.journal.reserve import Reserve
from storage.stores.store import Store


@dataclass(frozen=True, slots=True)
class OpeningLimits:
    """Bounds on what is held.

    `ids` bounds the id log on disk, `ids_in_memory` the window; `reserve_bytes` is the disk space
    to set aside for sealing, `uploads` the number of concurrent uploads.
    """

    id_limits: IdLimits
    max_ids_in_memory: int
    reserve_bytes: int
    uploads: int


@dataclass(frozen=True, slots=True)
class OpenDirectory:
    """A journal directory that this process holds, with everything but the journal itself."""

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
    """Take a journal directory over and begin to ship what is in it.

    `pause` is called between the steps of packing a segment; see `Packer`. Blocks; needs a running
    event loop. Raises DirectoryInUse if another process holds the directory, OSError if the disk
    refuses; then the directory is released, and nothing is lost.
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
    return OpenDirectory(lock, reserve, id_log, id_window, counters, backlog, shipper)
