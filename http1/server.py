"""The HTTP server: connections up to a limit, and an eye on those where nothing comes."""

import asyncio
import socket
from collections.abc import Callable, Iterable
from functools import partial

from tornado.httputil import HTTPServerConnectionDelegate
from tornado.ioloop import PeriodicCallback
from tornado.netutil import add_accept_handler

from http1.activity import Activity
from http1.connection import ClientConnection
from http1.listener import Listener
from logs.events import get_logger

_log = get_logger(__name__)

_IDLE_CONNECTION_TIMEOUT_S = 120
_BODY_TIMEOUT_S = 120
_WATCH_INTERVAL_S = 5


class CollectorServer:
    """Serves at most `max_connections`, and closes those on which nothing comes for too long.

    `activity` is told which connections wait for a request: one watch over all of them costs
    less than a timer for each.
    """

    def __init__(
        self, application: HTTPServerConnectionDelegate, activity: Activity, max_connections: int
    ) -> None:
        self._application = application
        self._activity = activity
        self._max_connections = max_connections
        self._listeners: list[tuple[Listener, Callable[[], None]]] = []
        self._connections: set[ClientConnection] = set()
        self._arriving: set[asyncio.Task[None]] = set()
        self._watch = PeriodicCallback(self._close_late, _WATCH_INTERVAL_S * 1000)

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Take requests from these sockets, which belong to the server from now on."""
        for sock in sockets:
            listener = Listener.of(sock, self._has_room)
            self._listeners.append((listener, add_accept_handler(listener, self._accept)))
        self._watch.start()

    def stop(self) -> None:
        """Take no more connections."""
        self._watch.stop()
        for listener, remove in self._listeners:
            remove()
            listener.close()
        self._listeners.clear()

    async def close_all_connections(self) -> None:
        """End every connection, with whatever is under way on it."""
        while self._connections or self._arriving:
            for connection in list(self._connections):
                connection.close()
            await asyncio.sleep(0)

    def _has_room(self) -> bool:
        is_open = len(self._connections) + len(self._arriving)
        return is_open < self._max_connections or self._activity.close_longest_idle()

    def _accept(self, sock: socket.socket, _: object) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(sock))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _connect(self, sock: socket.socket) -> None:
        make = partial(ClientConnection, self._application, self)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(make, sock)
        except OSError:
            sock.close()

    def waits(self, connection: ClientConnection) -> None:
        """See `Watcher.waits`."""
        self._connections.add(connection)
        self._activity.wait(connection)

    def lost(self, connection: ClientConnection) -> None:
        """See `Watcher.lost`."""
        self._connections.discard(connection)
        self._activity.forget(connection)

    def _close_late(self) -> None:
        self._activity.close_idle(_IDLE_CONNECTION_TIMEOUT_S)
        stalled = self._activity.close_stalled(_BODY_TIMEOUT_S)
        if stalled:
            _log.warning(
                "request bodies did not come in time", requests=stalled, seconds=_BODY_TIMEOUT_S
            )
