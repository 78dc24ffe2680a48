"""A store that accepts every object and writes, when it stops, how long delivery took.

    python -m benchmarks.noting_store PORT FILE

The time runs from `received_at`, set when the request is read, to the last byte of the object.
"""

import asyncio
import gzip
import json
import signal
import statistics
import sys
import time
from datetime import datetime
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

_GZIP_MAGIC = b"\x1f\x8b"
_MAX_BODY_BYTES = 100 * 1024 * 1024


class Note(RequestHandler):
    """Handler that keeps every object with its time."""

    def initialize(self, objects: list[tuple[float, bytes]]) -> None:
        """Keep the list of objects."""
        self._objects = objects

    def put(self) -> None:
        """Keep the object and the time at which it was complete; acknowledge it as S3 does."""
        self.set_header("ETag", '"e"')
        self._objects.append((time.time(), self.request.body))


def delays(objects: list[tuple[float, bytes]]) -> dict[str, float]:
    """Return percentiles of the events' delivery times in seconds."""
    found = []
    for at, body in objects:
        text = gzip.decompress(body) if body.startswith(_GZIP_MAGIC) else body
        for line in text.splitlines():
            received = datetime.fromisoformat(json.loads(line)["received_at"])
            found.append(at - received.timestamp())
    if len(found) < 100:
        return {"events": len(found)}
    percentiles = statistics.quantiles(found, n=100)
    return {
        "events": len(found),
        "p50": round(percentiles[49], 3),
        "p99": round(percentiles[98], 3),
        "max": round(max(found), 3),
    }


async def _serve(port: int) -> list[tuple[float, bytes]]:
    objects: list[tuple[float, bytes]] = []
    app = Application([("/.*", Note, {"objects": objects})], log_function=lambda _: None)
    HTTPServer(app, max_buffer_size=_MAX_BODY_BYTES).listen(port, "127.0.0.1")
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    await asked.wait()
    return objects


if __name__ == "__main__":
    objects = asyncio.run(_serve(int(sys.argv[1])))
    Path(sys.argv[2]).write_text(json.dumps(delays(objects)))
