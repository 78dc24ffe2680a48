"""Rates and ratios of the corpora, with a load that is not sent."""

from dataclasses import dataclass, field
from itertools import count

import pytest

from benchmarks.corpora.corpus import CORPORA
from benchmarks.corpus_speed import CASES, SINGLE, Case, Peak, summary
from benchmarks.prepared import Load


@dataclass
class Sender:
    """A sender that remembers loads, and reports the rates that it is given."""

    rates: list[float]
    loads: list[Load] = field(default_factory=list)

    def __call__(self, load: Load) -> dict[str, float]:
        self.loads.append(load)
        return {"rate": self.rates[len(self.loads) - 1], "responses": 20}


def test_each_corpus_is_measured_in_batches_of_100() -> None:
    assert set() == {Case(name, 100) for name in CORPORA} - {*CASES}


def test_requests_are_prepared_for_more_than_the_highest_rate_so_far() -> None:
    send = Sender([500, 700, 600, 100])
    peak = Peak(80, SINGLE, count(1), send)
    for _ in range(4):
        peak.events_per_second(2.5)
    assert [700, 980, 980] == pytest.approx([each.rate for each in send.loads[1:]])


def test_no_two_measurements_have_the_same_seed() -> None:
    send = Sender([500] * 4)
    seeds = count(1)
    peaks = [Peak(80, case, seeds, send) for case in CASES[:2]]
    for each in (*peaks, *peaks):
        each.events_per_second(2.5)
    assert [1, 2, 3, 4] == [each.seed for each in send.loads]


def test_a_peak_counts_events_and_not_requests() -> None:
    peak = Peak(80, Case("sdk", 10), count(1), Sender([500, 600]))
    assert [5000, 6000] == [peak.events_per_second(2.5) for _ in range(2)]
    assert 2 * 20 * 10 == peak.events


def test_ratios_are_formed_round_by_round() -> None:
    rounds = [
        {"events_per_s": 100.0, "bare": 10.0},
        {"events_per_s": 40.0, "bare": 5.0},
        {"events_per_s": 300.0, "bare": 100.0},
    ]
    found = summary({"sdk, 10": rounds})
    assert {"events_per_s": {"sdk, 10": 100.0}, "ratios": {"sdk, 10": 8.0}} == found
