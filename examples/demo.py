"""A small site that sends events, and the collector that receives them: `make demo`."""

import argparse
import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path

import orjson
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler

ROOT = Path(__file__).parent.parent
PAGES = Path(__file__).parent / "page"

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_COLLECTOR = "http://localhost:8080"


class PageHandler(RequestHandler):
    """Handler of the site's files, which inserts the address of the collector."""

    def initialize(self, collector: str) -> None:
        """Set the address of the collector."""
        self._collector = collector

    def get(self, name: str) -> None:
        """Send the file."""
        path = PAGES / (name or "index.html")
        if path.parent != PAGES or path.suffix not in _TYPES or not path.is_file():
            raise HTTPError(404)
        self.set_header("Content-Type", f"{_TYPES[path.suffix]}; charset=utf-8")
        self.finish(path.read_text(encoding="utf-8").replace(_COLLECTOR, self._collector))


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until interrupted. Return the exit code of the collector, or 1 if the site fails."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.add_argument("--port", type=int, default=8081, help="port of the site")
    parser.add_argument("--collector-port", type=int, default=8080, help="port of the collector")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("data/demo"),
        help="directory of the journal and the store",
    )
    arguments = parser.parse_args(argv)
    try:
        return asyncio.run(_serve(arguments.port, arguments.collector_port, arguments.data))
    except OSError as error:
        print(f"The site cannot be served: {error}. Choose another --port.", file=sys.stderr)
        return 1


async def _serve(port: int, collector_port: int, data: Path) -> int:
    sockets = bind_sockets(port, "127.0.0.1")
    site = f"http://localhost:{sockets[0].getsockname()[1]}"
    collector = await _start_collector(collector_port, data, site)
    try:
        listening_port = await _port_of(collector)
        if listening_port is None:
            return await collector.wait()
        address = f"http://localhost:{listening_port}"
        pages = [(r"/([a-z]*\.?[a-z]*)", PageHandler, {"collector": address})]
        app = Application(pages, log_function=lambda handler: None)
        HTTPServer(app).add_sockets(sockets)
        print(f"Site:      {site}/")
        print(f"Self-test: {address}/selftest")
        print(f"Events are delivered to {data}/store. Ctrl-C stops both servers.", flush=True)
        return await _run_until_interrupted(collector)
    finally:
        if collector.returncode is None:
            collector.terminate()
            await collector.wait()


async def _start_collector(port: int, data: Path, site: str) -> Process:
    settings = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "STORAGE_DIR": str(data / "store"),
        "JOURNAL_DIR": str(data / "journal"),
        "CORS_ALLOWED_ORIGINS": site,
        "INGEST_ALIASES": "/a",
        "LOG_FORMAT": "json",
        "S3_BUCKET_NAME": "",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "server.py"), env={**os.environ, **settings}, stderr=PIPE
    )


async def _port_of(collector: Process) -> int | None:
    """Return the port of the collector, or None if it exited; its log gives the reason."""
    assert collector.stderr is not None
    async for line in collector.stderr:
        entry = orjson.loads(line) if line.startswith(b"{") else {}
        if entry.get("event") == "listening":
            return int(entry["port"])
        if entry.get("level") != "info":
            print(line.decode(), end="", file=sys.stderr)
    return None


async def _run_until_interrupted(collector: Process) -> int:
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    reading = asyncio.create_task(_show_problems(collector))
    stopped = asyncio.create_task(interrupted.wait())
    await asyncio.wait([reading, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if collector.returncode is None:
        collector.terminate()
    await reading
    return await collector.wait()


async def _show_problems(collector: Process) -> None:
    assert collector.stderr is not None
    async for line in collector.stderr:
        if b'"level":"info"' not in line:
            print(line.decode(), end="", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
