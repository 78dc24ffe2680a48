"""Tornado's HTTP server, with limits that are ours to watch over."""

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPMessageDelegate
from tornado.web import Application

from handlers.activity import Activity
from handlers.body import NO_LIMIT_BYTES


class WatchedHTTPServer(HTTPServer):
    """Tells `activity` which connections wait for a request.

    Tornado's own `idle_connection_timeout` sets a timer for each request, at 5 % of its cost.
    """

    def initialize(  # type: ignore[override]
        self, application: Application, activity: Activity
    ) -> None:
        """Take the application, and who watches over it."""
        super().initialize(application, max_body_size=NO_LIMIT_BYTES)
        self.conn_params.header_timeout = None
        self._activity = activity

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """A connection waits for a request, its first or another one."""
        self._activity.wait(getattr(server_conn, "stream"))  # noqa: B009
        return super().start_request(server_conn, request_conn)

    def on_close(self, server_conn: object) -> None:
        """A connection has ended."""
        self._activity.forget(getattr(server_conn, "stream"))  # noqa: B009
        super().on_close(server_conn)
