"""The processes that the benchmarks start and stop."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONNECTIONS = 32

# nginx turns a 200 into a 304 for a request with If-None-Match, so nothing may be put to it with
# conditional writes.
_NGINX = """
daemon off; pid {directory}/nginx.pid; error_log {directory}/nginx.log; worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off; client_body_temp_path {directory}/bodies;
    client_max_body_size 100m; client_body_buffer_size 1m;
    server {{ listen 127.0.0.1:{port}; location / {{ add_header ETag '"e"'; return 200; }} }}
}}
"""


@dataclass(frozen=True)
class Scale:
    """Extent of the measurements: rounds, seconds of each, and seconds of peak load for memory."""

    rounds: int = 5
    seconds: float = 5
    memory_seconds: float = 600

    @property
    def few(self) -> int:
        """The number of rounds for a plot."""
        return min(self.rounds, 3)


def free_port() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def needed(program: str, package: str) -> str:
    """Return the path of a program, or end the benchmark with the package to install."""
    path = shutil.which(program)
    if path is None:
        sys.exit(f"{program} is missing: apt-get install {package}")
    return path


@contextmanager
def running(
    command: list[str], port: int, environment: dict[str, str], *, waits: bool = True
) -> Iterator[int]:
    """Run a process that will listen at the port; with `waits`, yield only when it does."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environment, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(400 if waits else 0):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextmanager
def store_that_takes_all(directory: Path, at: int | None = None) -> Iterator[str]:
    """Run a store that accepts every PUT without a condition and keeps nothing; yield its URL."""
    port = at or free_port()
    config = directory / "nginx.conf"
    config.write_text(_NGINX.format(directory=directory, port=port))
    with running([needed("nginx", "nginx-light"), "-c", str(config)], port, {}):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def noting_store(directory: Path) -> Iterator[tuple[str, Path]]:
    """Run a store that measures delivery times; yield its URL and the file of its result."""
    port = free_port()
    result = directory / "delays.json"
    command = [sys.executable, "-m", "benchmarks.noting_store", str(port), str(result)]
    with running(command, port, {}):
        yield f"http://127.0.0.1:{port}", result


@contextmanager
def bare() -> Iterator[int]:
    """Run the bare baseline; yield its port."""
    port = free_port()
    with running([sys.executable, "-m", "benchmarks.bare", str(port)], port, {}):
        yield port


@contextmanager
def obvious(store: str) -> Iterator[int]:
    """Run the baseline that puts each event on its own; yield its port."""
    port = free_port()
    with running([sys.executable, "-m", "benchmarks.obvious", str(port), store], port, {}):
        yield port


@contextmanager
def collector(directory: Path, store: str, *, waits: bool = True, **settings: str) -> Iterator[int]:
    """Run the server with default settings and an S3 store; yield its port."""
    port = int(settings.get("PORT", free_port()))
    given = {
        "S3_ENDPOINT_URL": store,
        "S3_BUCKET_NAME": "bucket",
        "S3_CONDITIONAL_WRITES": "off",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "JOURNAL_DIR": str(directory / f"journal-{port}"),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        **settings,
    }
    with running([sys.executable, "server.py"], port, given, waits=waits):
        yield port
