"""A proxy before the collector that gives responses of its own and loses headers."""

import http.client
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import orjson


@dataclass(frozen=True, slots=True)
class Response:
    """A response of the proxy itself."""

    status: int
    body: str = ""
    retry_after: str | None = None

    def headers(self) -> dict[str, str]:
        """Return headers with which every page may read the response."""
        readable = {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Expose-Headers": "Retry-After",
        }
        return (
            readable if self.retry_after is None else {**readable, "Retry-After": self.retry_after}
        )


class Front:
    """A proxy that gives its own responses to the first POSTs and forwards everything else.

    It drops the headers named in `loses`. `batches` has the number of events of each POST that
    was a batch.
    """

    def __init__(
        self, collector: str, responses: Sequence[Response], loses: Sequence[str] = ()
    ) -> None:
        self._target = urlsplit(collector).netloc
        self._left = list(responses)
        self._loses = loses
        self.batches: list[int] = []
        front = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                front._forward(self, b"")

            def do_OPTIONS(self) -> None:
                front._forward(self, b"")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if body.startswith(b"["):
                    front.batches.append(len(orjson.loads(body)))
                if front._left:
                    own = front._left.pop(0)
                    _respond(self, own.status, own.headers(), own.body.encode())
                else:
                    front._forward(self, body)

            def log_message(self, *args: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _forward(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        connection = http.client.HTTPConnection(self._target)
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in self._loses
        }
        connection.request(request.command, request.path, body or None, headers)
        response = connection.getresponse()
        _respond(request, response.status, dict(response.getheaders()), response.read())
        connection.close()

    def close(self) -> None:
        """Stop the proxy."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _respond(
    request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes
) -> None:
    request.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(body))}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)
