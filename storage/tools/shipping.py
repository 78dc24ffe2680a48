"""`ship`: deliver a journal directory that no server works in any more."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from storage.accounts import Accounts
from storage.backlog import Backlog
from storage.filesystem import DirectoryLock, FileSystem
from storage.recovery import recover
from storage.shipment import Packer
from storage.shipper import Shipper
from storage.store import Store

_LOOK_INTERVAL_S = 0.2


@dataclass(frozen=True, slots=True)
class Shipped:
    """Events that were delivered, that are still in the journal, that were damaged."""

    delivered: int
    left: int
    lost: int
    was_stopped: bool


async def ship(
    fs: FileSystem,
    directory: Path,
    store: Store,
    concurrency: int,
    begin: Callable[[int], Callable[[int], object]],
) -> Shipped:
    """Recover the directory and deliver everything in it, however long that takes.

    `begin` is told how many events there are, and gives what is told of each step. SIGINT and
    SIGTERM end it: what is not delivered stays, and is shipped the next time. DirectoryInUse
    if a server is at work there, OSError if the disk refuses.
    """
    lock = DirectoryLock(directory)
    try:
        recover(fs, directory)
        accounts = Accounts()
        backlog = Backlog(fs, directory, accounts)
        backlog.load()
        shipper = Shipper(backlog, Packer(fs, directory), store, concurrency=concurrency)
        stopped = _stop_signal()
        await _watch(shipper, accounts, begin(accounts.recovered), stopped)
        await shipper.close()
        left = backlog.counts().events
        return Shipped(accounts.delivered, left, accounts.lost, stopped.is_set())
    finally:
        lock.release()


def _stop_signal() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


async def _watch(
    shipper: Shipper, accounts: Accounts, advance: Callable[[int], object], stopped: asyncio.Event
) -> None:
    seen = 0
    is_done = False
    while not is_done and not stopped.is_set():
        is_done = await shipper.drain(_LOOK_INTERVAL_S)
        now = accounts.delivered + accounts.lost
        advance(now - seen)
        seen = now
