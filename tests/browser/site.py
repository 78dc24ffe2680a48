"""A site at another origin than the collector's, with the pages of a test."""

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Site:
    """Server of pages on a free port.

    Its name is `localhost`, and the collector is at `127.0.0.1`: not even the same site.
    """

    def __init__(self) -> None:
        self._pages: dict[str, tuple[str, Mapping[str, str]]] = {}
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text, headers = site._pages.get(urlsplit(self.path).path, (None, {}))
                body = (text or "").encode()
                self.send_response(404 if text is None else 200)
                kind = "text/javascript" if self.path.endswith(".js") else "text/html"
                for name, value in {"Content-Type": f"{kind}; charset=utf-8", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])
        self._thread.start()
        self.url = f"http://localhost:{self._server.server_address[1]}"

    def put(
        self, path: str, head: str = "", body: str = "", headers: Mapping[str, str] | None = None
    ) -> str:
        """Add a page, and return its URL."""
        text = f"<!doctype html><html><head><title>{path}</title>{head}</head><body>{body}</body>"
        self._pages[path] = (text, headers or {})
        return self.url + path

    def put_file(self, path: str, text: str) -> str:
        """Add a file, and return its URL."""
        self._pages[path] = (text, {})
        return self.url + path

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
