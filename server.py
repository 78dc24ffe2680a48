"""Analytics event collector: events in over HTTP, durable on disk, delivered to Amazon S3.

The composition root: settings, then store, journal, shipper and application, in this order;
the shutdown goes the other way round. `python server.py --help` says how to run it.
"""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import uvloop
from dotenv import load_dotenv
from tornado.netutil import bind_sockets

from handlers.assets import WebFiles
from handlers.client_address import AddressResolver
from handlers.cors import CorsPolicy
from handlers.ingest import EventSink, Ingest
from handlers.routes import CollectorApplication, make_app
from http1.activity import Activity
from http1.listener import connection_limit
from http1.server import CollectorServer
from journal_tools.check import Finding, check_journal, check_store
from logs.setup import configure
from settings.settings import Settings, SettingsError, describe, load_settings
from storage.counters import Accounts
from storage.dedup.deduplicator import Deduplicator, load_ids
from storage.dedup.id_log import IdLimits, IdLog
from storage.dedup.id_window import IdWindow
from storage.delivery.delivered_ack import StoredAck
from storage.delivery.shipment import Packer
from storage.delivery.shipper import Shipper
from storage.filesystem import DirectoryInUse, DirectoryLock, LocalFileSystem
from storage.journal.backlog import Backlog
from storage.journal.journal import Journal, JournalLimits
from storage.journal.recovery import recover
from storage.journal.reserve import Reserve, sealing_bytes
from storage.journal.segment import KeyRules, new_segment_name
from storage.journal.writer import SegmentWriter
from storage.status import delivery_status
from storage.stores.choose import open_store
from storage.stores.store import StoreError
from validation.ids import random_ids
from validation.reader import EventReader
from validation.times import UtcClock

VERSION = "0.1.0"
SERVICE = "analytics-platform"

_log = logging.getLogger(SERVICE)
_EXIT_FAILED = 1
_EXIT_BAD_SETTINGS = 2
_LISTEN_BACKLOG = 1024
_WEB_DIRECTORY = Path(__file__).parent / "web"
_SAME_SIGNAL_S = 1.0

# How long another thread may keep the event loop from running: a tenth of Python's own 5 ms.
_SWITCH_INTERVAL_S = 0.0005

# Bounds on the parts of a shutdown that are not shipping, which has DRAIN_TIMEOUT.
_FINISH_REQUESTS_S = 10.0
_SEAL_S = 10.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0, 1 for a failure, 2 for bad settings."""
    arguments = _parse(argv)
    try:
        load_dotenv(Path(".env"))
        settings = load_settings(os.environ)
    except SettingsError as error:
        print("The settings cannot be used:", *error.problems, sep="\n  ", file=sys.stderr)
        return _EXIT_BAD_SETTINGS
    except (UnicodeDecodeError, OSError) as error:
        print(f"The file .env cannot be read: {error}", file=sys.stderr)
        return _EXIT_BAD_SETTINGS
    if arguments.check:
        return _check(settings)
    output = configure(settings.log_level, settings.log_format)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        return uvloop.run(_serve(settings))
    finally:
        output.close()


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="server.py",
        description="Take analytics events over HTTP, keep them safe on disk, ship them to S3.",
        epilog="Settings come from the environment and from .env: see .env.example.",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="test the settings, the journal directory and the store, then exit",
    )
    parser.add_argument("--version", action="version", version=f"{SERVICE} {VERSION}")
    return parser.parse_args(argv)


def _check(settings: Settings) -> int:
    findings = [
        Finding(True, "settings: every one is valid"),
        check_journal(fs := LocalFileSystem(), settings.journal_dir),
        *check_store(partial(open_store, settings, fs), settings.s3_prefix),
    ]
    for finding in findings:
        print("ok  " if finding.ok else "FAIL", finding.text)
    return 0 if all(finding.ok for finding in findings) else _EXIT_FAILED


async def _serve(settings: Settings) -> int:
    _log.info("starting", extra={"fields": {"version": VERSION, **describe(settings)}})
    try:
        server = Server(settings)
        server.start()
    except (DirectoryInUse, OSError, StoreError) as error:
        _log.error("cannot start", extra={"fields": {"cause": str(error)}})
        return _EXIT_FAILED
    await _stop_signal()
    await server.stop()
    return 0


async def _stop_signal() -> None:
    """Wait for SIGTERM or SIGINT; a second one ends the process where it stands.

    Two at once are one: a terminal and a supervisor such as make may both pass it on.
    """
    loop = asyncio.get_running_loop()
    asked, asked_long_ago = asyncio.Event(), asyncio.Event()

    def on_signal(number: int) -> None:
        if not asked.is_set():
            _log.info("shutdown: asked to stop", extra={"fields": {"signal": number}})
            asked.set()
            loop.call_later(_SAME_SIGNAL_S, asked_long_ago.set)
        elif asked_long_ago.is_set():
            os._exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    await asked.wait()


class Server:
    """Everything that runs, made in the order in which it depends on each other.

    Raises DirectoryInUse, StoreError, or OSError if the journal directory cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._started = time.monotonic()
        fs = LocalFileSystem()
        directory = settings.journal_dir
        store = open_store(settings, fs)
        fs.make_directory(directory)
        self._lock = DirectoryLock(directory)
        recover(fs, directory)
        reserve = Reserve(fs, directory, sealing_bytes(settings.segment_max_bytes))
        id_limits = IdLimits(settings.dedup_window_s, settings.dedup_max_events)
        id_log, id_window = IdLog(fs, directory, id_limits, reserve), IdWindow(id_limits)
        load_ids(fs, directory, id_log, id_window)
        self._accounts = Accounts()
        self._backlog = Backlog(fs, directory, self._accounts)
        self._backlog.load()
        self._shipper = Shipper(
            self._backlog,
            Packer(fs, directory, id_log.settle),
            store,
            concurrency=settings.upload_concurrency,
        )
        keys = KeyRules.of(settings.object_layout, settings.auto_batch_above, settings.s3_prefix)
        self._journal = Journal(
            SegmentWriter(fs, directory, partial(new_segment_name, keys), id_log.record, reserve),
            JournalLimits(
                settings.flush_interval_s,
                settings.segment_max_bytes,
                settings.journal_max_bytes,
                seal_when_idle=settings.waits_for_store,
            ),
            self._shipper,
            self._accounts,
        )
        self._events = Deduplicator(self._journal, id_window, self._accounts)
        self._activity = Activity()
        self._utc_now = UtcClock()
        self._web = WebFiles.read(_WEB_DIRECTORY)
        self._http = CollectorServer(self._make_app(), self._activity, connection_limit())

    def _make_app(self) -> CollectorApplication:
        settings = self._settings
        reader = EventReader(
            max_event_bytes=settings.max_event_bytes,
            max_batch_events=settings.max_batch_events,
            new_id=partial(next, random_ids()),
            now=time.time,
        )
        return make_app(
            ingest=Ingest(
                reader,
                self._sink(),
                self._accounts,
                settings.max_body_bytes,
                self._utc_now,
                remembers_every_id=settings.waits_for_store,
            ),
            activity=self._activity,
            health_report=self._health_report,
            cors_policy=CorsPolicy.from_origins(settings.cors_allowed_origins),
            cors_debug=settings.cors_debug,
            addresses=AddressResolver(settings.trusted_proxies),
            web=self._web,
            aliases=settings.ingest_aliases,
        )

    def _sink(self) -> EventSink:
        if not self._settings.waits_for_store:
            return self._events
        timeout_s = self._settings.ack_wait_s
        return StoredAck(self._events, self._journal, self._backlog, self._shipper, timeout_s)

    def _health_report(self) -> dict[str, object]:
        return {
            "status": "healthy",
            "timestamp": self._utc_now(),
            "service": SERVICE,
            "version": VERSION,
            "uptime_seconds": round(time.monotonic() - self._started, 1),
            "requests_under_way": self._activity.under_way,
            **delivery_status(
                self._backlog, self._journal, self._shipper, self._accounts, time.time()
            ),
        }

    def start(self) -> None:
        """Take requests; OSError if the address is not free."""
        settings = self._settings
        sockets = bind_sockets(
            settings.port,
            settings.host or None,
            backlog=_LISTEN_BACKLOG,
            reuse_port=settings.reuse_port,
        )
        fields = {"host": settings.host or "*", "port": sockets[0].getsockname()[1]}
        self._http.add_sockets(sockets)
        # What is there now stays: looking through it for garbage, boto3's model of S3 above all,
        # would stop every request for 40 ms.
        gc.freeze()
        _log.info("listening", extra={"fields": fields})

    async def stop(self) -> None:
        """Finish what was begun; what cannot be delivered in time stays in the journal."""
        await self._finish_requests()
        await self._seal()
        await self._ship()
        await self._shipper.close()
        self._lock.release()
        _log.info("stopped")

    async def _finish_requests(self) -> None:
        self._activity.draining = True
        self._http.stop()
        finished = await self._activity.idle(_FINISH_REQUESTS_S + self._settings.ack_wait_s)
        fields = {"finished": finished, "left": self._activity.under_way}
        _log.info("shutdown: no more requests", extra={"fields": fields})
        await self._http.close_all_connections()

    async def _seal(self) -> None:
        try:
            async with asyncio.timeout(_SEAL_S):
                await self._journal.close()
        except TimeoutError:
            _log.error("shutdown: the disk does not answer; recovery will seal the open segment")
        else:
            _log.info("shutdown: journal closed")

    async def _ship(self) -> None:
        delivered = await self._shipper.drain(self._settings.drain_timeout_s)
        fields = {"delivered_all": delivered, "events_left": self._backlog.counts().events}
        _log.info("shutdown: shipping ended", extra={"fields": fields})


if __name__ == "__main__":
    exit_code = main()
    # A thread that waits for the network would keep the process for as long as its timeout;
    # there is nothing left to lose.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)
