"""Requests that are prepared before a measurement, each with event ids of its own.

A client's clock counts as right if `sent_at` is within 2 s of the receipt, so requests are prepared
for slots of half a second. Those that are left when their slot has passed are not sent.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice

from benchmarks.corpora.bodies import Bodies

SLOT_S = 0.5

_MAX_BYTES = 400 * 1024 * 1024
# Beyond 2 s the server would correct the times, and another corpus would be measured.
_MAX_EARLY_S = 1.5
_TRIALS = 50
_MARGINS_S = (0.2, 1.0, 5.0, 25.0)


@dataclass(frozen=True)
class Load:
    """Bodies of a corpus, sent for some seconds at the peak rate, which is at most `rate`.

    `size` is the number of events in a batch, None for single events; `rate` is in requests/s.
    """

    port: int
    corpus: str
    size: int | None
    seed: int
    seconds: float
    rate: float
    connections: int

    def to_text(self) -> str:
        """Return the load as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Load":
        """Return the load that a text describes."""
        return cls(**json.loads(text))


def requests(load: Load, bodies: Bodies, sent_at: float) -> Iterator[bytes]:
    """Yield endless requests that are to be sent at a time in Unix seconds."""
    corpus = bodies.corpus
    path = b"/api/v1/events" if load.size is None else b"/api/v1/events/batch"
    coding = b"Content-Encoding: gzip\r\n" if corpus.is_gzipped else b""
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: %b\r\n%bContent-Length: " % (
        path,
        corpus.content_type.encode(),
        coding,
    )
    while True:
        content = bodies.content(sent_at)
        yield b"%b%d\r\n\r\n%b" % (head, len(content), content)


class Prepared:
    """The requests of a load, to be sent from `start` to `end`, in Unix seconds.

    They have at most `max_bytes` together: if that is not enough, the measurement is shorter.
    """

    def __init__(
        self,
        load: Load,
        max_bytes: int = _MAX_BYTES,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._load = load
        self._bodies = Bodies(load.corpus, load.seed, load.size)
        cost_s, size = self._measured()
        fitting = max(1, max_bytes // size)
        self._per_slot = min(int(load.rate * SLOT_S) + load.connections, fitting)
        self._count = max(1, min(int(load.seconds / SLOT_S), fitting // self._per_slot))
        for margin_s in _MARGINS_S:
            self.start = now() + margin_s + self._count * self._per_slot * cost_s
            self._slots = [self._slot(at) for at in range(self._count)]
            if now() < self.start:
                break
        else:
            sys.exit("the machine is too busy to prepare requests in time")
        self.end = self.start + self._count * SLOT_S
        self._at = 0

    def _measured(self) -> tuple[float, int]:
        """Return the seconds that it takes to prepare a request, and its bytes."""
        begun = time.perf_counter()
        made = list(islice(requests(self._load, self._bodies, time.time()), _TRIALS))
        return (time.perf_counter() - begun) / _TRIALS, sum(map(len, made)) // _TRIALS

    def _slot(self, at: int) -> list[bytes]:
        sent_at = self.start + at * SLOT_S
        return list(islice(requests(self._load, self._bodies, sent_at), self._per_slot))

    def next(self) -> bytes | None:
        """Take the next request; None if no more are left."""
        while self._at < self._count:
            if self._slots[self._at]:
                return self._slots[self._at].pop()
            self._at += 1
        return None

    def skip_passed(self, now: float) -> bool:
        """Skip the slots that have passed; return False if all slots have, or the next is far.

        It is far if the server is much faster than expected.
        """
        self._at = max(self._at, int((now - self.start) / SLOT_S))
        return now < self.end and self.start + self._at * SLOT_S - now < _MAX_EARLY_S
