"""Baseline: a Tornado handler with a fixed response that stores nothing."""

import asyncio
import sys

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler


class Fixed(RequestHandler):
    """Handler that responds to every POST with the same bytes."""

    def post(self) -> None:
        """Respond."""
        self.set_header("Content-Type", "application/json")
        self.finish(b'{"status":"success","event_id":"0","message":"Event ingested successfully"}')


async def _main(port: int) -> None:
    server = HTTPServer(Application([(r"/api/v1/events", Fixed)], log_function=lambda _: None))
    server.listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
