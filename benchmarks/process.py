"""Start time and memory of a process."""

import http.client
import statistics
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.load import singles
from benchmarks.running import Scale, collector, free_port

_SLICE_S = 30
_SAMPLE_S = 1.0


def start(folder: Path, scale: Scale) -> dict[str, float]:
    """Measure the seconds from the start of an idle process to its first accepted event."""
    durations = []
    for number in range(scale.rounds):
        begun = time.monotonic()
        own = folder / f"start-{number}"
        with collector(own, "http://127.0.0.1:1", waits=False, DRAIN_TIMEOUT="0s") as port:
            _send_until_accepted(port)
            durations.append(time.monotonic() - begun)
    return {"median": round(statistics.median(durations), 3), "max": round(max(durations), 3)}


def _send_until_accepted(port: int) -> None:
    while True:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            client.request("POST", "/api/v1/events", b'{"event_type":"first"}')
            if client.getresponse().status == 200:
                return
        except ConnectionError:
            time.sleep(0.002)
        finally:
            client.close()


def memory(folder: Path, scale: Scale) -> dict[str, Any]:
    """Measure resident MiB every second at peak load while the store is down."""
    samples: list[tuple[float, float]] = []
    done = threading.Event()
    down = f"http://127.0.0.1:{free_port()}"
    with collector(folder, down, DRAIN_TIMEOUT="0s") as port:
        pid = _server_process(port)
        begun = time.monotonic()

        def watch() -> None:
            while not done.wait(_SAMPLE_S):
                samples.append((round(time.monotonic() - begun, 1), resident_mib(pid)))

        watcher = threading.Thread(target=watch)
        watcher.start()
        requests = 0.0
        while (left := scale.memory_seconds - (time.monotonic() - begun)) > 0:
            seconds = max(1, min(_SLICE_S, round(left)))
            requests += seconds * singles(port, seconds)
        done.set()
        watcher.join()
    found = [mib for _, mib in samples]
    return {"events": round(requests), "max_mib": max(found), "samples": samples}


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


def _server_process(port: int) -> int:
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            environment = (directory / "environ").read_bytes().split(b"\0")
            command = (directory / "cmdline").read_bytes()
        except OSError:
            continue
        if b"server.py" in command and f"PORT={port}".encode() in environment:
            return int(directory.name)
    raise RuntimeError(f"no process listens on port {port}")
