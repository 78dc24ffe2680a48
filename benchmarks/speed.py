"""Throughput and latency of the server, compared with the baselines.

The servers take turns and are compared round by round, so that a noisy machine disturbs all of
them. `us` is the server with default settings, which logs every request; `quiet` has
LOG_LEVEL=warning, since the baselines log nothing.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from benchmarks.load import at_rate, batched, singles, wait_until_shipped
from benchmarks.running import (
    Scale,
    bare,
    collector,
    free_port,
    obvious,
    store_that_takes_all,
)

_SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 1.1)
_SYNCS = 500
_SYNCED_BYTES = 4096


def _servers(stack: ExitStack, folder: Path, names: list[str]) -> dict[str, int]:
    store = stack.enter_context(store_that_takes_all(folder))
    made: dict[str, Callable[[], AbstractContextManager[int]]] = {
        "us": lambda: collector(folder, store),
        "quiet": lambda: collector(folder, store, LOG_LEVEL="warning"),
        "bare": bare,
        "put": lambda: obvious(store),
    }
    return {name: stack.enter_context(made[name]()) for name in names}


def throughput(folder: Path, scale: Scale) -> dict[str, Any]:
    """Measure peak requests/s over 32 connections, and peak events/s in batches over 8."""
    rates: dict[str, list[float]] = {}
    with ExitStack() as stack:
        ports = _servers(stack, folder, ["us", "quiet", "bare", "put"])
        for _ in range(scale.rounds):
            for name, port in ports.items():
                rates.setdefault(name, []).append(singles(port, scale.seconds))
            rates.setdefault("batches", []).append(batched(ports["us"], scale.seconds))
            wait_until_shipped(ports["us"])
    ratios = {
        f"{name} / {baseline}": _ratio(rates[name], rates[baseline])
        for name in ("us", "quiet", "batches")
        for baseline in ("bare", "put")
    }
    return {"rounds": rates, "ratios": ratios, **{k: _median(v) for k, v in rates.items()}}


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 2)


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return _median([a / b for a, b in zip(ours, theirs, strict=True)])


def half_load(folder: Path, scale: Scale, peak: float) -> dict[str, Any]:
    """Measure latencies at 50 % of `peak` requests/s, and the cost of a sync on this disk."""
    found: dict[str, list[dict[str, float]]] = {}
    with ExitStack() as stack:
        ports = _servers(stack, folder, ["us", "quiet", "bare"])
        for _ in range(scale.rounds):
            for name, port in ports.items():
                found.setdefault(name, []).append(at_rate(port, peak / 2, scale.seconds))
    return {
        "rate": peak / 2,
        "sync_ms": sync_ms(folder),
        **{name: medians(results) for name, results in found.items()},
    }


def medians(results: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each value over several measurements."""
    return {name: _median([each[name] for each in results]) for name in results[0]}


def sync_ms(folder: Path) -> dict[str, float]:
    """Measure percentiles in ms of appending 4 KiB and syncing."""
    times_ms = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_SYNCS):
            begun = time.perf_counter()
            os.write(file.fileno(), bytes(_SYNCED_BYTES))
            os.fdatasync(file.fileno())
            times_ms.append(1000 * (time.perf_counter() - begun))
    percentiles = statistics.quantiles(times_ms, n=100)
    return {"p50": round(percentiles[49], 3), "p99": round(percentiles[98], 3)}


def curves(folder: Path, scale: Scale, peaks: dict[str, float]) -> dict[str, Any]:
    """Measure latency and throughput of each server at shares of its peak, and beyond it."""
    found: dict[str, list[dict[str, float]]] = {}
    with ExitStack() as stack:
        ports = _servers(stack, folder, ["us", "bare", "put"])
        for share in _SHARES:
            for name, port in ports.items():
                results = [
                    at_rate(port, share * peaks[name], scale.seconds) for _ in range(scale.few)
                ]
                found.setdefault(name, []).append(medians(results))
    return found


def processes(folder: Path, scale: Scale) -> dict[str, float]:
    """Measure peak requests/s of one process, and of two that share a port."""
    rates: dict[str, list[float]] = {"one": [], "two": []}
    with ExitStack() as stack:
        store = stack.enter_context(store_that_takes_all(folder))
        ports = {"one": free_port(), "two": free_port()}
        for name, journal in (("one", "a"), ("two", "b"), ("two", "c")):
            port, own = str(ports[name]), str(folder / journal)
            stack.enter_context(
                collector(folder, store, PORT=port, REUSE_PORT="true", JOURNAL_DIR=own)
            )
        for _ in range(scale.rounds):
            for name, number in ports.items():
                rates[name].append(singles(number, scale.seconds))
    return {name: _median(found) for name, found in rates.items()}
