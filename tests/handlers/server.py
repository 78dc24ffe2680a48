"""The application with a sink in memory, and the vocabulary of its tests."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import orjson
from tornado.httpclient import HTTPResponse

from handlers.admission import AdmissionPolicy
from handlers.assets import WebFiles
from handlers.body import BodyBudget
from handlers.client_address import AddressResolver
from handlers.cors import CorsPolicy
from handlers.ingestion import IngestPipeline
from handlers.routes import CollectorApplication, make_app
from http1.activity import Activity
from settings.origins import allowed_origin
from storage.counters import Counters
from storage.dedup.deduplicator import Durable
from storage.dedup.identity import fingerprints
from storage.refusals import Refusal
from tests.support.server_process import ROOT
from validation.reader import EventReader

NOW = 1_795_455_000.0
NOW_TEXT = "2026-11-23T17:30:00.000Z"
MAX_BODY_BYTES = 20_000
MAX_EVENT_BYTES = 2_000
MAX_BATCH_EVENTS = 10

ONE = "/api/v1/events"
BATCH = "/api/v1/events/batch"
PIXEL = "/api/v1/pixel.gif"
EVENT = b'{"event_type":"c"}'
SHOP = "https://shop.example"

Fetch = Callable[..., Awaitable[HTTPResponse]]


def payload(response: HTTPResponse) -> Any:
    """Return the JSON of a response."""
    return orjson.loads(response.body)


def failure(response: HTTPResponse) -> tuple[int, str]:
    """Return the status and the code of an error."""
    return response.code, payload(response)["error"]["code"]


@dataclass
class RememberingSink:
    """A sink that keeps events, unless it has a `refused` to raise.

    `lines` has those of all requests, duplicates included. `refused` is reported by `refusal` too;
    `refused_late` is raised by `append` alone.
    """

    counters: Counters = field(default_factory=Counters)
    events: list[dict[str, object]] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    refused: Refusal | None = None
    refused_late: Refusal | None = None

    async def append(self, lines: Sequence[bytes], event_ids: Sequence[str | None]) -> Durable:
        await asyncio.sleep(0)
        if self.refused is not None:
            raise self.refused
        if self.refused_late is not None:
            raise self.refused_late
        self.lines += lines
        duplicates: set[int] = set()
        kept_as: dict[int, str] = {}
        for index, (line, event_id) in enumerate(zip(lines, event_ids, strict=True)):
            event = orjson.loads(line)
            (fingerprint,) = fingerprints([line])
            if event_id is not None and self.ids.setdefault(event_id, fingerprint) != fingerprint:
                event["event_id"] = kept_as[index] = f"{event_id}~{fingerprint:x}"
            if event_id is not None and event["event_id"] in self.kept:
                duplicates.add(index)
            else:
                self.kept.add(event["event_id"])
                self.events.append(event)
        self.counters.conflict += len(kept_as.keys() - duplicates)
        self.counters.duplicate += len(duplicates)
        self.counters.durable += len(lines) - len(duplicates)
        return Durable(frozenset(duplicates), set(), kept_as)

    def refusal(self) -> Refusal | None:
        return self.refused


@dataclass
class Site:
    """An application, and its parts that a test may inspect or change."""

    app: CollectorApplication
    pipeline: IngestPipeline
    sink: RememberingSink
    activity: Activity
    budget: BodyBudget


def make_site(
    origins: Sequence[str] = ("*",),
    trusted: Sequence[str] = (),
    monotonic: Callable[[], float] = time.monotonic,
    aliases: Sequence[str] = (),
    cors_debug: bool = False,
) -> Site:
    sink = RememberingSink()
    activity = Activity(monotonic)
    budget = BodyBudget()
    ids = iter(range(1, 1_000_000))
    reader = EventReader(
        max_event_bytes=MAX_EVENT_BYTES,
        max_batch_events=MAX_BATCH_EVENTS,
        new_id=lambda: f"made-{next(ids)}",
        now=lambda: NOW,
    )
    pipeline = IngestPipeline(
        reader, sink, sink.counters, MAX_BODY_BYTES, lambda: NOW_TEXT, budget=budget
    )
    app = make_app(
        pipeline=pipeline,
        activity=activity,
        health_report=lambda: {"status": "healthy"},
        admission=AdmissionPolicy(
            CorsPolicy.from_origins([allowed_origin(each) for each in origins])
        ),
        cors_debug=cors_debug,
        addresses=AddressResolver([ip_network(each) for each in trusted]),
        web=WebFiles.read(ROOT / "web"),
        aliases=aliases,
        monotonic=monotonic,
    )
    return Site(app, pipeline, sink, activity, budget)
