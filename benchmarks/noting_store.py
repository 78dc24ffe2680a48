"""A store that takes everything, and says at its end how long events were on their way to it.

    python -m benchmarks.noting_store PORT FILE

From `received_at`, which an event gets when its request is read, to the object being whole.
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
    """Keeps what comes, for later."""

    def initialize(self, objects: list[tuple[float, bytes]]) -> None:
        """Take the list."""
        self._objects = objects

    def put(self) -> None:
        """Note when the object was whole."""
        self._objects.append((time.time(), self.request.body))


def delays(objects: list[tuple[float, bytes]]) -> dict[str, float]:
    """Percentiles in seconds, over events."""
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


async def _take(port: int) -> list[tuple[float, bytes]]:
    objects: list[tuple[float, bytes]] = []
    app = Application([("/.*", Note, {"objects": objects})], log_function=lambda _: None)
    HTTPServer(app, max_buffer_size=_MAX_BODY_BYTES).listen(port, "127.0.0.1")
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    await asked.wait()
    return objects


if __name__ == "__main__":
    taken = asyncio.run(_take(int(sys.argv[1])))
    Path(sys.argv[2]).write_text(json.dumps(delays(taken)))
