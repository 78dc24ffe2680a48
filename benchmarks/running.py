"""What the benchmarks start, and stop again."""

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

# 201, since a 200 would become 304 where a request has If-None-Match.
_NGINX = """
daemon off; pid {directory}/nginx.pid; error_log {directory}/nginx.log; worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off; client_body_temp_path {directory}/bodies;
    client_max_body_size 100m; client_body_buffer_size 1m;
    server {{ listen 127.0.0.1:{port}; location / {{ return 201; }} }}
}}
"""


@dataclass(frozen=True)
class Scale:
    """How long to measure: rounds, seconds of each, and seconds at full load for memory."""

    rounds: int = 5
    seconds: float = 5
    memory_seconds: float = 600

    @property
    def few(self) -> int:
        """Rounds for what is only drawn."""
        return min(self.rounds, 3)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def needed(program: str, package: str) -> str:
    """The path of a program; without it the benchmark ends and says what to install."""
    path = shutil.which(program)
    if path is None:
        sys.exit(f"{program} is missing: apt-get install {package}")
    return path


@contextmanager
def running(
    command: list[str], port: int, environment: dict[str, str], *, waits: bool = True
) -> Iterator[int]:
    """A process that listens on the port, soon or, if this waits for it, now; the port."""
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
    """An HTTP server that says to every PUT that it is done, and keeps nothing; its URL."""
    port = at or free_port()
    config = directory / "nginx.conf"
    config.write_text(_NGINX.format(directory=directory, port=port))
    with running([needed("nginx", "nginx-light"), "-c", str(config)], port, {}):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def noting_store(directory: Path) -> Iterator[tuple[str, Path]]:
    """A store that measures how long events take to it: its URL, and where it will say so."""
    port = free_port()
    result = directory / "delays.json"
    command = [sys.executable, "-m", "benchmarks.noting_store", str(port), str(result)]
    with running(command, port, {}):
        yield f"http://127.0.0.1:{port}", result


@contextmanager
def bare() -> Iterator[int]:
    """The yardstick; its port."""
    port = free_port()
    with running([sys.executable, "-m", "benchmarks.bare", str(port)], port, {}):
        yield port


@contextmanager
def obvious(store: str) -> Iterator[int]:
    """The yardstick that puts each event by itself; its port."""
    port = free_port()
    with running([sys.executable, "-m", "benchmarks.obvious", str(port), store], port, {}):
        yield port


@contextmanager
def collector(directory: Path, store: str, *, waits: bool = True, **settings: str) -> Iterator[int]:
    """The server as it comes, shipping to a store of the S3 kind; its port."""
    port = int(settings.get("PORT", free_port()))
    given = {
        "S3_ENDPOINT_URL": store,
        "S3_BUCKET_NAME": "bucket",
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
