"""Requests per second of the whole server, as a part of what bare Tornado does.

    .venv/bin/python -m benchmarks.throughput [rounds] [seconds]

All run on this machine, in turns, with 32 connections, and the ratio of each round is
taken: a noisy machine disturbs them alike. `server` logs each request as it does by default,
`quiet` has LOG_LEVEL=warning and so logs none, as the bare handler does. Needs wrk.
"""

import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_CONNECTIONS = 32


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _running(command: list[str], port: int, environment: dict[str, str]) -> Iterator[int]:
    process = subprocess.Popen(
        command, cwd=_ROOT, env=os.environ | environment, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _requests_per_second(port: int, seconds: int) -> float:
    wrk = shutil.which("wrk")
    if wrk is None:
        sys.exit("wrk is missing: apt-get install wrk")
    url = f"http://127.0.0.1:{port}/api/v1/events"
    report = subprocess.run(
        [wrk, "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s", "-s", "benchmarks/event.lua", url],
        cwd=_ROOT,
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


@contextmanager
def _servers(directory: str) -> Iterator[dict[str, int]]:
    """The ports of what is compared, by name."""
    ports: dict[str, int] = {}
    with ExitStack() as stack:
        for name, level in (("server", "info"), ("quiet", "warning")):
            port = ports[name] = _free_port()
            settings = {
                "STORAGE_DIR": f"{directory}/{name}/store",
                "JOURNAL_DIR": f"{directory}/{name}/journal",
                "HOST": "127.0.0.1",
                "PORT": str(port),
                "LOG_LEVEL": level,
            }
            stack.enter_context(_running([sys.executable, "server.py"], port, settings))
        port = ports["bare"] = _free_port()
        command = [sys.executable, "-m", "benchmarks.bare", str(port)]
        stack.enter_context(_running(command, port, {}))
        yield ports


def main(rounds: int, seconds: int) -> None:
    """Print the figures of each round, and the medians of their ratios to the bare handler."""
    ratios: dict[str, list[float]] = {"server": [], "quiet": []}
    with tempfile.TemporaryDirectory() as directory, _servers(directory) as ports:
        for _ in range(rounds):
            rates = {name: _requests_per_second(port, seconds) for name, port in ports.items()}
            for name, found in ratios.items():
                found.append(rates[name] / rates["bare"])
            print("  ".join(f"{name} {rate:6.0f}/s" for name, rate in rates.items()), flush=True)
    for name, found in ratios.items():
        print(f"{name}: median ratio {statistics.median(found):.2f}")


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main(*(given + [5, 5][len(given) :]))
