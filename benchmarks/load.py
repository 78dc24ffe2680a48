"""Load from other processes: as much as the server handles (wrk), or a fixed rate (`paced`)."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from benchmarks.prepared import Load
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
    """Measure the peak of requests/s; end the benchmark if one is refused."""
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
        sys.exit(f"wrk printed an unexpected report:\n{report}")
    return float(found[1])


def singles(port: int, seconds: float) -> float:
    """Measure the peak of requests/s with one event each."""
    return requests_per_second(port, seconds, "event.lua", CONNECTIONS)


def batched(port: int, seconds: float) -> float:
    """Measure the peak of events/s in batches of 100."""
    return BATCH_EVENTS * requests_per_second(port, seconds, "batch.lua", BATCH_CONNECTIONS)


def counters(port: int) -> dict[str, int]:
    """Return the server's counters of events."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30) as response:
        found: dict[str, int] = json.load(response)["events"]
    return found


def pending(port: int) -> int:
    """Return the number of events that wait to be shipped."""
    return counters(port)["pending"]


def wait_until_shipped(port: int) -> None:
    """Wait until all events are shipped, so that the next measurement does not pay for it."""
    while pending(port):
        time.sleep(0.1)


def at_rate(port: int, rate: float, seconds: float) -> Latencies:
    """Measure latency percentiles in ms at a fixed rate; end the benchmark if one is refused."""
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


def at_peak(load: Load) -> dict[str, float]:
    """Send prepared requests at the peak rate; end the benchmark if one is refused."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sending", load.to_text()],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"no result for {load}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def in_background(port: int, rate: float, seconds: float) -> Future[Latencies]:
    """Run `at_rate` in a thread."""
    thread = ThreadPoolExecutor(1)
    started = thread.submit(at_rate, port, rate, seconds)
    thread.shutdown(wait=False)
    return started
