"""The server killed with SIGKILL: every acknowledged event is in exactly one object."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice

import pytest
import requests

from tests.support.objects import events_in, files
from tests.support.seaweed import Bucket
from tests.support.server_process import ServerProcess
from tests.support.waiting import WAIT_S, wait_until


class Burst:
    """Events sent over several connections until the server is gone.

    As soon as `end_at` events are acknowledged, `end` is called.
    """

    def __init__(
        self,
        url: str,
        name: str,
        events: int,
        *,
        end_at: int = 0,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        self.acknowledged: set[str] = set()
        self._end_at = end_at
        self._end = end
        self._url = f"{url}/api/v1/events"
        self._name = name
        self._numbers = iter(range(events))
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._send) for _ in range(8)]
        for thread in self._threads:
            thread.start()

    def _next(self) -> list[int]:
        with self._lock:
            return list(islice(self._numbers, 10))

    def _send(self) -> None:
        with requests.Session() as session:
            while numbers := self._next():
                ids = [f"{self._name}-{number}" for number in numbers]
                try:
                    self._post(session, ids, as_batch=numbers[0] % 3 == 0)
                except requests.RequestException:
                    return

    def _post(self, session: requests.Session, ids: list[str], as_batch: bool) -> None:
        events = [{"event_id": event_id, "event_type": "c"} for event_id in ids]
        if as_batch:
            response = session.post(self._url + "/batch", json=events, timeout=WAIT_S)
            if response.ok:
                self._acknowledge(response.json()["event_ids"])
            return
        for event in events:
            response = session.post(self._url, json=event, timeout=WAIT_S)
            if response.ok:
                self._acknowledge([response.json()["event_id"]])

    def _acknowledge(self, ids: list[str]) -> None:
        with self._lock:
            before = len(self.acknowledged)
            self.acknowledged.update(ids)
            is_the_end = before < self._end_at <= len(self.acknowledged)
        if is_the_end:
            self._end()

    def wait_for(self, count: int) -> None:
        """Return when `count` events are acknowledged."""
        wait_until(lambda: len(self.acknowledged) >= count)

    def wait(self) -> None:
        """Return when all events are sent or the server is gone."""
        for thread in self._threads:
            thread.join()


def test_a_burst_of_10_000_events_survives_kill_9(server: ServerProcess, bucket: Bucket) -> None:
    server.start(STORAGE_DIR=None, FLUSH_INTERVAL="200ms", **bucket.settings)
    burst = Burst(server.url, "burst", events=10_000, end_at=3000, end=server.kill)
    burst.wait()
    assert 3000 <= len(burst.acknowledged) < 10_000
    server.start()
    server.wait_until_delivered()
    stored = Counter(event["event_id"] for event in events_in(bucket.objects()))
    assert set() == burst.acknowledged - set(stored)
    assert {1} == set(stored.values())


@pytest.mark.parametrize("seed", range(3))
def test_kill_9_at_random_moments_loses_nothing(server: ServerProcess, seed: int) -> None:
    moments = random.Random(seed)
    acknowledged: set[str] = set()
    for start in range(4):
        server.start(
            FLUSH_INTERVAL="50ms", OBJECT_LAYOUT=moments.choice(["auto", "event", "batch"])
        )
        burst = Burst(server.url, f"start-{start}", events=100_000)
        burst.wait_for(1)
        time.sleep(moments.uniform(0, 0.3))
        server.kill()
        burst.wait()
        acknowledged |= burst.acknowledged
    server.start()
    server.wait_until_delivered()
    stored = Counter(event["event_id"] for event in events_in(files(server.store)))
    assert set() == acknowledged - set(stored)
    assert {1} == set(stored.values())
    assert 0 == server.stop()
    assert [] == [path.name for path in server.journal.glob("*.sealed")]


@pytest.mark.parametrize("seed", range(3))
def test_clients_that_retry_after_kill_9_store_nothing_twice(
    server: ServerProcess, seed: int
) -> None:
    moments = random.Random(seed)
    sent = 0
    for _ in range(4):
        server.start(OBJECT_LAYOUT="batch", FLUSH_INTERVAL="30ms")
        burst = Burst(server.url, "again", events=100_000)
        burst.wait_for(sent + 1)
        time.sleep(moments.uniform(0, 0.3))
        server.kill()
        burst.wait()
        sent = max(sent, len(burst.acknowledged))
    server.start()
    last = Burst(server.url, "again", events=sent)
    last.wait()
    server.wait_until_delivered()
    stored = Counter(event["event_id"] for event in events_in(files(server.store)))
    assert {1} == set(stored.values())
    assert set() == last.acknowledged - set(stored)
    assert sent == len(last.acknowledged)
