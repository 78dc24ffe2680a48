"""Throughput for the events of each sender, compared with the bare baseline.

The baseline is measured before and after each measurement, with single events of beacon.js, and the
ratio is that to the mean of the two, so that a noisy machine disturbs both sides. All requests
are prepared before (`prepared.py`). The server's counters must show every event as durable.
"""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.corpora.corpus import CORPORA
from benchmarks.load import (
    BATCH_CONNECTIONS,
    BATCH_EVENTS,
    at_peak,
    counters,
    wait_until_shipped,
)
from benchmarks.prepared import SLOT_S, Load
from benchmarks.running import CONNECTIONS, Scale, bare, collector, store_that_takes_all

SMALL_BATCH_EVENTS = 10
_SMALL_BATCHES = ("ideal", "beacon", "beacon-key", "sdk")

# Requests are prepared for more than the highest rate so far, at first for more than is reached.
_FIRST_RATES = {None: 16_000, SMALL_BATCH_EVENTS: 12_000, BATCH_EVENTS: 5_000}
_HEADROOM = 1.4
_WARM_UP_S = 1.0


@dataclass(frozen=True)
class Case:
    """Events of a corpus, single or in batches of some size."""

    corpus: str
    size: int | None

    @property
    def name(self) -> str:
        """The name in the results."""
        return f"{self.corpus}, {'single' if self.size is None else self.size}"

    @property
    def connections(self) -> int:
        """The number of connections: fewer for large batches."""
        return BATCH_CONNECTIONS if self.size == BATCH_EVENTS else CONNECTIONS


SINGLE = Case("beacon", None)
CASES = (
    SINGLE,
    *(Case(name, BATCH_EVENTS) for name in CORPORA),
    *(Case(name, SMALL_BATCH_EVENTS) for name in _SMALL_BATCHES),
)

Send = Callable[[Load], dict[str, float]]


class Peak:
    """Measurements of one server with the events of one case.

    `seeds` yields a seed for each measurement, so that no event id is repeated; `send` sends a
    load and returns its `rate` in requests/s and its `responses`.
    """

    def __init__(self, port: int, case: Case, seeds: "count[int]", send: Send = at_peak) -> None:
        self._port = port
        self._case = case
        self._seeds = seeds
        self._send = send
        self._expected: float = _FIRST_RATES[case.size]
        self._highest = 0.0
        self._responses = 0

    @property
    def events(self) -> int:
        """The events sent in all measurements."""
        return self._responses * (self._case.size or 1)

    def events_per_second(self, seconds: float) -> float:
        """Measure once."""
        case = self._case
        found = self._send(
            Load(
                port=self._port,
                corpus=case.corpus,
                size=case.size,
                seed=next(self._seeds),
                seconds=max(SLOT_S, seconds),
                rate=self._expected,
                connections=case.connections,
            )
        )
        self._responses += int(found["responses"])
        self._highest = max(self._highest, found["rate"])
        self._expected = _HEADROOM * self._highest
        return found["rate"] * (case.size or 1)


def corpora(folder: Path, scale: Scale) -> dict[str, Any]:
    """Measure peak events/s of each case, and their ratios to the baseline's requests/s."""
    rounds: dict[str, list[dict[str, float]]] = {case.name: [] for case in CASES}
    with ExitStack() as stack:
        store = stack.enter_context(store_that_takes_all(folder))
        ours, theirs = (stack.enter_context(each) for each in (collector(folder, store), bare()))
        seeds = count(1)
        peaks = {case.name: Peak(ours, case, seeds) for case in CASES}
        baseline = Peak(theirs, SINGLE, seeds)
        for each in (baseline, *peaks.values()):
            each.events_per_second(_WARM_UP_S)
        for _ in range(scale.rounds):
            for name, found in _round(peaks, baseline, ours, scale.seconds).items():
                rounds[name].append(found)
        _check(ours, sum(each.events for each in peaks.values()))
    return {"rounds": rounds, **summary(rounds)}


def _round(
    peaks: dict[str, Peak], baseline: Peak, port: int, seconds: float
) -> dict[str, dict[str, float]]:
    """Measure each case for half of `seconds`, and the baseline between them for a quarter."""
    rates, bares = [], [baseline.events_per_second(seconds / 4)]
    for peak in peaks.values():
        wait_until_shipped(port)
        rates.append(peak.events_per_second(seconds / 2))
        wait_until_shipped(port)
        bares.append(baseline.events_per_second(seconds / 4))
    around = [mean(pair) for pair in pairwise(bares)]
    return {
        name: {"events_per_s": round(rate, 1), "bare": round(bare, 1)}
        for name, rate, bare in zip(peaks, rates, around, strict=True)
    }


def summary(rounds: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Return medians over the rounds: events/s of each case, and ratios round by round."""
    return {
        "events_per_s": {
            name: round(median(each["events_per_s"] for each in found), 1)
            for name, found in rounds.items()
        },
        "ratios": {
            name: round(median(each["events_per_s"] / each["bare"] for each in found), 2)
            for name, found in rounds.items()
        },
    }


def _check(port: int, sent: int) -> None:
    wait_until_shipped(port)
    found = counters(port)
    if found["durable"] != sent or found["conflict"]:
        sys.exit(f"{sent} events were sent, but the server counts {found}")
