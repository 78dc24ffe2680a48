"""`ship`: deliver a journal directory that no server uses any more."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass

from storage.counters import Counters
from storage.dedup.id_log import IdLimits
from storage.delivery.shipper import Shipper
from storage.journal.directory import JournalDirectory
from storage.opening import OpeningLimits, open_directory
from storage.stores.store import Store

_LOOK_INTERVAL_S = 0.2

# Ids are loaded to be written to the id log; nothing is looked up in the window.
_MAX_IDS_IN_MEMORY = 1000


@dataclass(frozen=True, slots=True)
class Shipped:
    """Numbers of events that were delivered, are left in the journal, or are lost.

    Lost are corrupt records and removed segments.
    """

    delivered: int
    left: int
    lost: int
    was_stopped: bool


async def ship(
    directory: JournalDirectory,
    store: Store,
    concurrency: int,
    id_limits: IdLimits,
    begin: Callable[[int], Callable[[int], object]],
) -> Shipped:
    """Recover the directory and deliver everything in it, however long that takes.

    A server that starts there later knows the ids of the delivered events, within `id_limits`.
    `begin` is called with the number of events, and returns a function that is called with the
    number of events of each step. SIGINT and SIGTERM stop it: events that are not delivered stay,
    and can be shipped later. Raises DirectoryInUse if a server uses the directory, OSError if the
    disk refuses.
    """
    # A signal during recovery takes effect after it.
    stopped = _stop_signal()
    limits = OpeningLimits(id_limits, _MAX_IDS_IN_MEMORY, reserve_bytes=0, uploads=concurrency)
    opened = open_directory(directory, store, limits, pause=lambda: None)
    try:
        counters = opened.counters
        await _watch(opened.shipper, counters, begin(counters.recovered), stopped)
        await opened.shipper.close()
        left = opened.backlog.counts().events
        return Shipped(counters.delivered, left, counters.lost, stopped.is_set())
    finally:
        opened.lock.release()


def _stop_signal() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


async def _watch(
    shipper: Shipper, counters: Counters, advance: Callable[[int], object], stopped: asyncio.Event
) -> None:
    seen = 0
    is_done = False
    while not is_done and not stopped.is_set():
        is_done = await shipper.drain(_LOOK_INTERVAL_S)
        now = counters.delivered + counters.lost
        advance(now - seen)
        seen = now
