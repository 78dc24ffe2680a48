"""Clients that send events and retry them under the same id until they get a response.

Each event has a name. `s0-7` and `s0-7!` are two events with the id `s0-7`: both must be kept.
"""

import http.client
import itertools
import json
import random
import threading
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_TIMEOUT_S = 30.0
_PAUSE_S = 0.4
_BATCH = "/api/v1/events/batch"
_ONE = "/api/v1/events"


@dataclass
class Record:
    """The clients' knowledge: every name is in `sent`, and in `acknowledged` after a success."""

    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    rejected: set[str] = field(default_factory=set)
    statuses: Counter[str] = field(default_factory=Counter)
    resent: int = 0
    duplicates: int = 0
    conflicts: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Sender(threading.Thread):
    """One client with one connection, until it is stopped and everything is acknowledged.

    It sends events with ids of its own and retries them until they are acknowledged, now and
    then in another batch or twice in one. It also sends invalid events, which must be rejected.
    """

    def __init__(self, name: str, port: int, record: Record, seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self._port = port
        self._record = record
        self._random = random.Random(f"{name} {seed}")
        self._numbers = itertools.count()
        self._open: list[str] = []
        self._connection: http.client.HTTPConnection | None = None
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Send no new events; the thread ends when all of its events are acknowledged."""
        self._stopping.set()

    @property
    def unacknowledged(self) -> int:
        """The number of events that are still retried."""
        return len(self._open)

    def run(self) -> None:
        """Send until everything is acknowledged."""
        while not (self._stopping.is_set() and not self._open):
            names = self._next_names()
            self._stopping.wait(self._random.uniform(0, _PAUSE_S))
            try:
                self._send(names)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._count(type(error).__name__)
                self._disconnect()
                self._stopping.wait(self._random.uniform(0.01, 0.2))
        self._disconnect()

    def _next_names(self) -> list[str]:
        count = self._random.choice([1, 1, 1, 5, 20, 150])
        retried = self._random.sample(self._open, min(len(self._open), count))
        if self._stopping.is_set() or len(self._open) > 500:
            return retried
        new = [f"{self.name}-{next(self._numbers)}" for _ in range(count - len(retried))]
        new += [f"{each}!" for each in new if self._random.random() < 0.05]
        with self._record.lock:
            self._record.sent.update(new)
            self._record.resent += len(retried)
        self._open += new
        return retried + new

    def _send(self, names: list[str]) -> None:
        events: list[dict[str, Any]] = [
            {
                "event_id": each.removesuffix("!"),
                "event_type": "chaos",
                "timestamp": f"2026-11-{1 + zlib.crc32(each.encode()) % 3:02d}T12:00:00Z",
                "properties": {"name": each, "text": "x" * (len(each) * 7 % 300)},
            }
            for each in names
        ]
        if len(events) == 1 and self._random.random() < 0.8:
            self._post_one(events[0])
        else:
            if self._random.random() < 0.1:
                events.append(dict(events[0]))
            if self._random.random() < 0.1:
                events.append({"event_id": f"{names[0]}-bad".replace("!", ""), "event_type": ""})
            self._post_batch(events)

    def _post_one(self, event: dict[str, Any]) -> None:
        status, body = self._post(_ONE, event)
        if status == 200:
            self._acknowledge([event], int("duplicate" in body), int("conflict" in body))

    def _post_batch(self, events: list[dict[str, Any]]) -> None:
        status, body = self._post(_BATCH, events)
        if status in (200, 207):
            for error in body.get("errors", ()):
                self._record.rejected.add(events[error["index"]]["event_id"])
            kept = [
                event
                for event, event_id in zip(events, body["event_ids"], strict=True)
                if event_id is not None
            ]
            conflicts = len(body.get("conflicts", ()))
            self._acknowledge(kept, body["duplicate_count"], conflicts)

    def _post(self, path: str, body: Any) -> tuple[int, Any]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(
                "127.0.0.1", self._port, timeout=_TIMEOUT_S
            )
        self._connection.request("POST", path, json.dumps(body))
        response = self._connection.getresponse()
        parsed = json.loads(response.read())
        self._count(str(response.status))
        if response.status == 503:
            self._stopping.wait(self._random.uniform(0.01, 0.1))
        return response.status, parsed

    def _acknowledge(self, events: list[dict[str, Any]], duplicates: int, conflicts: int) -> None:
        done = {event["properties"]["name"] for event in events}
        with self._record.lock:
            self._record.acknowledged |= done
            self._record.duplicates += duplicates
            self._record.conflicts += conflicts
        self._open = [each for each in self._open if each not in done]

    def _count(self, outcome: str) -> None:
        with self._record.lock:
            self._record.statuses[outcome] += 1

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
