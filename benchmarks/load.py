"""Load from other processes: as much as it takes (wrk), or at a fixed rate (`paced`)."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from benchmarks.running import CONNECTIONS, ROOT, needed

BATCH_EVENTS = 100
BATCH_CONNECTIONS = 8

EVENT = {
    "event_type": "page_view",
    "user_id": "u-1742",
    "properties": {"path": "/pricing", "width": 1440, "first_visit": True},
}

Latencies = dict[str, float]


def requests_per_second(port: int, seconds: float, script: str, connections: int) -> float:
    """As many as it takes; ends the benchmark if one is refused."""
    wrk = needed("wrk", "wrk")
    url = f"http://127.0.0.1:{port}/api/v1/events"
    file = str(Path("benchmarks") / script)
    report = subprocess.run(
        [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", file, url],
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


def singles(port: int, seconds: float) -> float:
    """Requests of one event each, per second."""
    return requests_per_second(port, seconds, "event.lua", CONNECTIONS)


def batched(port: int, seconds: float) -> float:
    """Events per second in batches of 100."""
    return BATCH_EVENTS * requests_per_second(port, seconds, "batch.lua", BATCH_CONNECTIONS)


def pending(port: int) -> int:
    """Events that wait to be shipped."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30) as answer:
        events: int = json.load(answer)["backlog"]["events"]
    return events


def wait_until_shipped(port: int) -> None:
    """Wait until what was sent is shipped, lest the next measurement pays for it."""
    while pending(port):
        time.sleep(0.1)


def at_rate(port: int, rate: float, seconds: float) -> Latencies:
    """Percentiles in milliseconds at a fixed rate; ends the benchmark if one is refused."""
    load = {
        "port": port,
        "body": json.dumps(EVENT),
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
    found: Latencies = json.loads(done.stdout)
    if found["failures"]:
        sys.exit(f"some requests were refused: {found}")
    return found


def in_background(port: int, rate: float, seconds: float) -> Future[Latencies]:
    """The same, while something else is looked at."""
    thread = ThreadPoolExecutor(1)
    started = thread.submit(at_rate, port, rate, seconds)
    thread.shutdown(wait=False)
    return started
