"""Tornado's HTTP server, with limits that are ours to watch over."""

import logging
import socket
from collections.abc import Iterable

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPMessageDelegate
from tornado.ioloop import PeriodicCallback
from tornado.iostream import IOStream
from tornado.web import Application

from handlers.activity import Activity
from handlers.body import NO_LIMIT_BYTES
from handlers.listener import Listener
from handlers.stream import RequestStream

_log = logging.getLogger(__name__)

_IDLE_CONNECTION_TIMEOUT_S = 120
_BODY_TIMEOUT_S = 120
_WATCH_INTERVAL_S = 5


class WatchedHTTPServer(HTTPServer):
    """Serves at most `max_connections`, and closes those on which nothing comes for too long.

    Tells `activity` which connections wait for a request: Tornado's own
    `idle_connection_timeout` sets a timer for each request, at 5 % of its cost.
    """

    def initialize(  # type: ignore[override]
        self, application: Application, activity: Activity, max_connections: int
    ) -> None:
        """Take the application, and who watches over it."""
        super().initialize(application, max_body_size=NO_LIMIT_BYTES)
        self.conn_params.header_timeout = None
        self._activity = activity
        self._max_connections = max_connections
        self._open = 0
        self._watch = PeriodicCallback(self._close_late, _WATCH_INTERVAL_S * 1000)

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Take requests from these sockets, which belong to the server from now on."""
        super().add_sockets([Listener.of(sock, self._has_room) for sock in sockets])
        self._watch.start()

    def stop(self) -> None:
        """Take no more connections."""
        self._watch.stop()
        super().stop()

    def _has_room(self) -> bool:
        return self._open < self._max_connections or self._activity.close_longest_idle()

    def handle_stream(self, stream: IOStream, address: tuple[object, ...]) -> None:
        """A connection has begun."""
        self._open += 1
        super().handle_stream(RequestStream.of(stream), address)

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """A connection waits for a request, its first or another one."""
        self._activity.wait(getattr(server_conn, "stream"))  # noqa: B009
        return super().start_request(server_conn, request_conn)

    def on_close(self, server_conn: object) -> None:
        """A connection has ended."""
        self._open -= 1
        self._activity.forget(getattr(server_conn, "stream"))  # noqa: B009
        super().on_close(server_conn)

    def _close_late(self) -> None:
        self._activity.close_idle(_IDLE_CONNECTION_TIMEOUT_S)
        stalled = self._activity.close_stalled(_BODY_TIMEOUT_S)
        if stalled:
            fields = {"requests": stalled, "seconds": _BODY_TIMEOUT_S}
            _log.warning("request bodies did not come in time", extra={"fields": fields})
