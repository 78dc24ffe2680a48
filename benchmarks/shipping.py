"""Cost of shipping, delivery time, and the growth and decay of a backlog."""

import io
import json
import os
import statistics
import time
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.load import Latencies, at_rate, in_background, pending
from benchmarks.running import (
    Scale,
    collector,
    free_port,
    noting_store,
    store_that_takes_all,
)
from benchmarks.speed import medians
from storage.filesystem import LocalFileSystem
from storage.journal.directory import JournalDirectory
from storage.journal.reserve import Reserve
from storage.journal.segment import KeyRules, new_segment_name
from storage.journal.writer import SegmentWriter
from storage.stores.s3 import S3Store
from storage.stores.store import StoredObject
from validation.ids import random_ids

_MIB = 1024 * 1024
_BACKLOG_BYTES = 1024 * _MIB
_SEGMENT_BYTES = 8 * _MIB
_LINES_AT_ONCE = 1000
_QUIET_RATE = 500

_PUTS = 300

_OUTAGE_RATE = 1000
_OUTAGE_S = (10, 30)
_WATCHED_S = 60


def put_cost(folder: Path, scale: Scale) -> dict[str, float]:
    """Measure ms of CPU time per object of one event, with the server's code and `put_object`."""
    body = b"x" * 460
    found: dict[str, list[float]] = {"ours": [], "put_object": []}
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    with store_that_takes_all(folder) as url, patch.dict(os.environ, keys):
        store = S3Store(
            "bucket",
            region="us-east-1",
            endpoint_url=url,
            connections=1,
            conditional_writes="off",
        )

        def ours(number: int) -> None:
            opened = partial(io.BytesIO, body)
            store.put(StoredObject(f"events/{number}.json", "text/plain", len(body), opened, True))

        def theirs(number: int) -> None:
            stream = io.BytesIO(body)
            store._client.put_object(Bucket="bucket", Key=f"events/{number}.json", Body=stream)

        for _ in range(scale.rounds):
            for name, put in (("ours", ours), ("put_object", theirs)):
                begun = time.process_time()
                for number in range(_PUTS):
                    put(number)
                found[name].append(1000 * (time.process_time() - begun) / _PUTS)
    return {name: round(statistics.median(each), 3) for name, each in found.items()}


def delivery(folder: Path, scale: Scale, peak: float) -> dict[str, float]:
    """Measure the seconds from a request to its object in the store at 50 % of peak."""
    with noting_store(folder) as (url, result), collector(folder, url) as port:
        at_rate(port, peak / 2, scale.seconds * 3)
    found: dict[str, float] = json.loads(result.read_text())
    return {"rate": peak / 2, **found}


def backlog(folder: Path, scale: Scale) -> dict[str, Any]:
    """Measure latencies while 1 GiB is shipped, and afterwards."""
    journal = folder / "journal-full"
    events = _fill(JournalDirectory(LocalFileSystem(), journal))
    during: list[Latencies] = []
    own = str(journal)
    with store_that_takes_all(folder) as url, collector(folder, url, JOURNAL_DIR=own) as port:
        begun = time.monotonic()
        while len(during) < scale.rounds and pending(port) > events // 20:
            during.append(at_rate(port, _QUIET_RATE, scale.seconds))
        while pending(port) > _LINES_AT_ONCE:
            time.sleep(0.1)
        shipped_in_s = time.monotonic() - begun
        idle = [at_rate(port, _QUIET_RATE, scale.seconds) for _ in range(scale.rounds)]
    return {
        "rate": _QUIET_RATE,
        "events": events,
        "rounds": len(during),
        "shipped_in_s": round(shipped_in_s, 1),
        "during": medians(during),
        "idle": medians(idle),
    }


def _fill(directory: JournalDirectory) -> int:
    """Write segments of typical events, and return the number of events."""
    directory.make()
    rules = KeyRules.of("auto", 100, "events")
    new_name = partial(new_segment_name, rules)
    writer = SegmentWriter(directory, new_name, _no_ids, Reserve(directory, 0))
    ids, written, events = random_ids(), 0, 0
    while written < _BACKLOG_BYTES:
        lines = [_line(each) for each in islice(ids, _LINES_AT_ONCE)]
        writer.append(lines)
        events += len(lines)
        if writer.size >= _SEGMENT_BYTES:
            written += writer.size
            writer.seal()
    writer.seal()
    return events


def _no_ids(segment_id: str, digests: bytes) -> None:
    """Remember no ids: the clients of these events sent none."""


def _line(event_id: str) -> bytes:
    at = "2026-11-23T17:30:00.123Z"
    return json.dumps(
        {
            "event_id": event_id,
            "event_type": "page_view",
            "timestamp": at,
            "received_at": at,
            "user_id": "u-1742",
            "properties": {"path": "/pricing", "width": 1440, "first_visit": True},
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0.0.0",
            "ip_address": "192.0.2.17",
        },
        separators=(",", ":"),
    ).encode()


def outage(folder: Path, scale: Scale) -> dict[str, Any]:
    """Measure the backlog in events over time while the store goes down and comes back."""
    down_at, up_at = _OUTAGE_S
    port = free_port()
    points = []
    with collector(folder, f"http://127.0.0.1:{port}") as server:
        load = in_background(server, _OUTAGE_RATE, _WATCHED_S - 5)
        begun = time.monotonic()
        phases = [(down_at, True), (up_at, False), (_WATCHED_S, True)]
        for until, is_up in phases:
            with _maybe(folder, port, is_up):
                while (now := time.monotonic() - begun) < until:
                    points.append((round(now, 1), pending(server)))
                    time.sleep(0.5)
        latencies = load.result()
    return {"rate": _OUTAGE_RATE, "away_s": _OUTAGE_S, "backlog": points, "latencies": latencies}


def _maybe(folder: Path, port: int, is_up: bool) -> AbstractContextManager[object]:
    return store_that_takes_all(folder, port) if is_up else nullcontext()
