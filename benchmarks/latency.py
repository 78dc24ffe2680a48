"""How long answers take at fixed rates, next to a bare Tornado handler.

    .venv/bin/python -m benchmarks.latency [rounds] [seconds] [rate ...]

Counted from when a request was due (see `paced`), with 32 connections and shipping on; the
median of the rounds. Needs nginx, as the store that takes all.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.running import CONNECTIONS, ROOT, bare, collector, store_that_takes_all

_EVENT = {
    "event_type": "page_view",
    "user_id": "u-1742",
    "properties": {"path": "/pricing", "width": 1440, "first_visit": True},
}


def latencies(port: int, rate: float, seconds: int) -> dict[str, float]:
    """The percentiles at one rate, by a process of its own."""
    load = {
        "port": port,
        "body": json.dumps(_EVENT),
        "rate": rate,
        "seconds": seconds,
        "connections": CONNECTIONS,
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.paced", json.dumps(load)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    if found["failures"]:
        sys.exit(f"some requests were refused: {found}")
    return found


def main(rounds: int, seconds: int, rates: list[int]) -> None:
    """Print the medians of the percentiles, in milliseconds."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        store = stack.enter_context(store_that_takes_all(Path(folder)))
        ports = {
            "server": stack.enter_context(collector(Path(folder), store)),
            "bare": stack.enter_context(bare()),
        }
        for rate in rates:
            found: dict[str, list[dict[str, float]]] = {name: [] for name in ports}
            for _ in range(rounds):
                for name, port in ports.items():
                    found[name].append(latencies(port, rate, seconds))
            for name, results in found.items():
                shown = "  ".join(
                    f"{each} {statistics.median(result[each] for result in results):6.1f}"
                    for each in ("p50", "p90", "p99", "max")
                )
                print(f"{rate:6}/s {name:7} {shown} ms", flush=True)


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    times = given[:2] + [5, 5][len(given[:2]) :]
    main(times[0], times[1], given[2:] or [500, 1000, 2000])
