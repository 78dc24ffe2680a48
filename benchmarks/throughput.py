"""Requests per second of the whole server, next to what Tornado and the obvious way do.

    .venv/bin/python -m benchmarks.throughput [rounds] [seconds]

All run on this machine, in turns, with 32 connections, and the ratio of each round is
taken: a noisy machine disturbs them alike. `server` logs each request as it does by default,
`quiet` has LOG_LEVEL=warning and so logs none, as the yardsticks do: `bare`, a Tornado handler
with a fixed answer, and `put`, which puts every event into the store before it answers. Both
servers ship to the same store, which takes all. Needs wrk and nginx.
"""

import re
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.running import (
    CONNECTIONS,
    ROOT,
    bare,
    collector,
    needed,
    obvious,
    store_that_takes_all,
)


def requests_per_second(port: int, seconds: int) -> float:
    """As many as it takes."""
    url = f"http://127.0.0.1:{port}/api/v1/events"
    wrk = needed("wrk", "wrk")
    report = subprocess.run(
        [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", "benchmarks/event.lua", url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if "Non-2xx" in report:
        sys.exit(f"some requests were refused:\n{report}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", report)
    if found is None:
        sys.exit(f"wrk said something unforeseen:\n{report}")
    return float(found[1])


def main(rounds: int, seconds: int) -> None:
    """Print the figures of each round, and the medians of the servers' ratios to yardsticks."""
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        store = stack.enter_context(store_that_takes_all(Path(folder)))
        ports = {
            "server": stack.enter_context(collector(Path(folder), store)),
            "quiet": stack.enter_context(collector(Path(folder), store, LOG_LEVEL="warning")),
            "bare": stack.enter_context(bare()),
            "put": stack.enter_context(obvious(store)),
        }
        for _ in range(rounds):
            for name, port in ports.items():
                rates.setdefault(name, []).append(requests_per_second(port, seconds))
            print("  ".join(f"{name} {found[-1]:6.0f}/s" for name, found in rates.items()))
    for name in ("server", "quiet"):
        for yardstick in ("bare", "put"):
            ratios = [a / b for a, b in zip(rates[name], rates[yardstick], strict=True)]
            print(f"{name} / {yardstick}: median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main(*(given + [5, 5][len(given) :]))
