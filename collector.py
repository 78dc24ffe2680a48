"""The composition root: opens all parts in order of dependency, and stops them in reverse."""

import asyncio
import gc
import time
from functools import partial
from pathlib import Path

from tornado.netutil import bind_sockets

from handlers.admission import AdmissionPolicy
from handlers.assets import WebFiles
from handlers.client_address import AddressResolver
from handlers.connection_errors import ConnectionErrors
from handlers.cors import CorsPolicy
from handlers.ingest import EventSink, IngestPipeline
from handlers.routes import CollectorApplication, make_app
from http1.activity import Activity
from http1.listener import connection_limit
from http1.server import CollectorServer
from http1.watchdog import TimeLimits
from logs.events import get_logger
from settings.settings import Settings
from storage.dedup.deduplicator import Deduplicator
from storage.dedup.id_log import IdLimits
from storage.delivery.delivered_ack import DeliveredAck
from storage.filesystem import LocalFileSystem
from storage.journal.directory import JournalDirectory
from storage.journal.journal import Journal
from storage.journal.limits import JournalLimits
from storage.journal.reserve import sealing_bytes
from storage.journal.segment import KeyRules, new_segment_name
from storage.journal.writer import SegmentWriter
from storage.opening import OpenDirectory, OpeningLimits, open_directory
from storage.status import delivery_status
from storage.stores.choose import open_store
from validation.ids import random_ids
from validation.reader import EventReader
from validation.times import UtcClock

VERSION = "0.1.0"
SERVICE = "analytics-platform"

_log = get_logger(SERVICE)
_LISTEN_BACKLOG = 1024
_WEB_DIRECTORY = Path(__file__).parent / "web"

# Time limits of a shutdown before shipping, which is bounded by DRAIN_TIMEOUT.
_FINISH_REQUESTS_S = 10.0
_SEAL_S = 10.0


class Collector:
    """The running server: all parts, constructed in order of dependency.

    The constructor raises DirectoryInUse or StoreError, or OSError if the journal directory cannot
    be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._started = time.monotonic()
        fs = LocalFileSystem()
        directory = JournalDirectory(fs, settings.journal_dir)
        store = open_store(settings, fs)
        opened = open_directory(directory, store, _opening_limits(settings))
        self._lock = opened.lock
        self._counters = opened.counters
        self._backlog = opened.backlog
        self._shipper = opened.shipper
        self._journal = self._make_journal(directory, opened)
        self._events = Deduplicator(self._journal, opened.id_window, self._counters)
        self._activity = Activity()
        self._utc_now = UtcClock()
        self._web = WebFiles.read(_WEB_DIRECTORY)
        self._http = CollectorServer(
            self._make_app(),
            self._activity,
            ConnectionErrors(),
            connection_limit(),
            _time_limits(settings),
        )

    def _make_journal(self, directory: JournalDirectory, opened: OpenDirectory) -> Journal:
        settings = self._settings
        keys = KeyRules.of(settings.object_layout, settings.auto_batch_above, settings.s3_prefix)
        writer = SegmentWriter(
            directory,
            partial(new_segment_name, keys),
            opened.id_log.record,
            opened.reserve,
        )
        limits = JournalLimits(
            settings.flush_interval_s,
            settings.segment_max_bytes,
            settings.journal_max_bytes,
            seal_when_idle=settings.waits_for_store,
            event_max_bytes=settings.max_event_bytes,
        )
        return Journal(writer, limits, self._shipper, self._counters)

    def _make_app(self) -> CollectorApplication:
        settings = self._settings
        reader = EventReader(
            max_event_bytes=settings.max_event_bytes,
            max_batch_events=settings.max_batch_events,
            new_id=partial(next, random_ids()),
            now=time.time,
        )
        return make_app(
            pipeline=IngestPipeline(
                reader,
                self._sink(),
                self._counters,
                settings.max_body_bytes,
                self._utc_now,
                deduplicates_generated_ids=settings.waits_for_store,
            ),
            activity=self._activity,
            health_report=self._health_report,
            admission=AdmissionPolicy(CorsPolicy.from_origins(settings.cors_allowed_origins)),
            cors_debug=settings.cors_debug,
            addresses=AddressResolver(settings.trusted_proxies),
            web=self._web,
            aliases=settings.ingest_aliases,
        )

    def _sink(self) -> EventSink:
        if not self._settings.waits_for_store:
            return self._events
        timeout_s = self._settings.ack_wait_s
        return DeliveredAck(self._events, self._journal, self._backlog, self._shipper, timeout_s)

    def _health_report(self) -> dict[str, object]:
        return {
            "status": "healthy",
            "timestamp": self._utc_now(),
            "service": SERVICE,
            "version": VERSION,
            "uptime_seconds": round(time.monotonic() - self._started, 1),
            "requests_in_flight": self._activity.in_flight,
            **delivery_status(
                self._backlog, self._journal, self._shipper, self._counters, time.time()
            ),
        }

    def start(self) -> None:
        """Listen for requests; OSError if the address is in use."""
        settings = self._settings
        sockets = bind_sockets(
            settings.port,
            settings.host or None,
            backlog=_LISTEN_BACKLOG,
            reuse_port=settings.reuse_port,
        )
        port = sockets[0].getsockname()[1]
        self._http.add_sockets(sockets)
        # All objects that exist now live as long as the process: to collect garbage among them,
        # above all in boto3's model of S3, would stop every request for 40 ms.
        gc.freeze()
        _log.info("listening", host=settings.host or "*", port=port)

    async def stop(self) -> None:
        """Finish requests, ship within DRAIN_TIMEOUT, and leave the rest in the journal."""
        await self._announce()
        await self._finish_requests()
        await self._seal()
        await self._ship()
        await self._shipper.close()
        self._lock.release()
        _log.info("stopped")

    async def _announce(self) -> None:
        """Be not ready, and keep serving until load balancers have noticed."""
        self._activity.stopping = True
        if self._settings.shutdown_delay_s:
            _log.info("shutdown: not ready", serving_for_s=self._settings.shutdown_delay_s)
            await asyncio.sleep(self._settings.shutdown_delay_s)

    async def _finish_requests(self) -> None:
        timeout_s = _FINISH_REQUESTS_S + self._settings.ack_wait_s
        left = await self._http.drain(timeout_s)
        _log.info("shutdown: no more requests", finished=left == 0, left=left)

    async def _seal(self) -> None:
        try:
            async with asyncio.timeout(_SEAL_S):
                await self._journal.close()
        except TimeoutError:
            _log.error("shutdown: the disk does not respond; the next start seals the open segment")
        else:
            _log.info("shutdown: journal closed")

    async def _ship(self) -> None:
        delivered = await self._shipper.drain(self._settings.drain_timeout_s)
        _log.info(
            "shutdown: shipping ended",
            delivered_all=delivered,
            events_left=self._backlog.counts().events,
        )


def _time_limits(settings: Settings) -> TimeLimits:
    return TimeLimits(
        idle_s=settings.idle_timeout_s,
        body_s=settings.body_timeout_s,
        body_min_rate=settings.body_min_rate,
    )


def _opening_limits(settings: Settings) -> OpeningLimits:
    return OpeningLimits(
        IdLimits(settings.dedup_window_s, settings.dedup_max_events),
        max_ids_in_memory=settings.dedup_max_events,
        reserve_bytes=sealing_bytes(settings.segment_max_bytes),
        uploads=settings.upload_concurrency,
    )
