"""The HTTP server: accepts connections up to a limit, and closes those that stay silent.

A shutdown gives each open connection its chance. Nobody can close a connection for writing in
the instant in which its client sends, and still respond. So first the responses say
`Connection: close`, which ends every connection in use; after `_GRACE_S`, those that have been
idle all the while are closed.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable

from tornado.httputil import HTTPServerConnectionDelegate
from tornado.netutil import add_accept_handler

from http1.activity import Activity
from http1.connection import ClientConnection
from http1.direct import DirectWay
from http1.listener import Listener
from http1.response import ErrorResponses, new_request_id
from http1.watchdog import TimeLimits, Watchdog

# During a shutdown: the time for an idle client to send its next request, and for any client to
# close its side after its last response.
_GRACE_S = 2.0
_LAST_LINGER_S = 1.0
_DRAIN_STEP_S = 0.02


class CollectorServer:
    """A server of `application` for at most `max_connections` clients at a time.

    `activity` records the connections, `limits` says when the silent ones are closed. `errors` has
    the responses for connections without a request. `direct`, if given, may take plain requests
    before the application gets them.
    """

    def __init__(
        self,
        application: HTTPServerConnectionDelegate,
        activity: Activity,
        errors: ErrorResponses,
        max_connections: int,
        limits: TimeLimits,
        direct: DirectWay | None = None,
    ) -> None:
        self._application = application
        self._direct = direct
        self._activity = activity
        self._errors = errors
        self._max_connections = max_connections
        self._listeners: list[tuple[Listener, Callable[[], None]]] = []
        # The event loop keeps only weak references to its tasks.
        self._tasks: set[asyncio.Task[None]] = set()
        self._watchdog = Watchdog(activity, limits)

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Accept connections from listening sockets, which belong to the server from now on."""
        for sock in sockets:
            listener = Listener.of(sock, self._has_room, self._refusal)
            self._listeners.append((listener, add_accept_handler(listener, self._accept)))
        self._watchdog.start()

    def stop(self) -> None:
        """Accept no more connections, except those that the kernel has established already."""
        self._watchdog.stop()
        for listener, remove in self._listeners:
            remove()
            for sock, address in listener.accept_waiting():
                self._accept(sock, address)
            listener.close()
        self._listeners.clear()

    async def drain(self, timeout_s: float) -> int:
        """Stop; finish what clients have begun; return how many requests have no response.

        Each request that arrives meanwhile gets its response, which says that the connection
        closes. All connections are closed within `timeout_s` and `_LAST_LINGER_S`.
        """
        self._activity.draining = True
        self.stop()
        await self._wait_until_closed(_GRACE_S)
        await self._wait_until_closed(timeout_s - _GRACE_S, ends_idle=True)
        unfinished = self._activity.in_flight
        for connection in self._activity.established:
            if connection.progress is not None:
                connection.time_out()
        await self._wait_until_closed(_LAST_LINGER_S)
        await self.close_all_connections()
        return unfinished

    async def _wait_until_closed(self, timeout_s: float, *, ends_idle: bool = False) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(timeout_s, 0)):
                while self._activity.open_connections:
                    if ends_idle:
                        self._activity.end_idle(0)
                    self._activity.close_lingering(_LAST_LINGER_S)
                    await asyncio.sleep(_DRAIN_STEP_S)

    async def close_all_connections(self) -> None:
        """Close every connection, and abandon the requests in flight."""
        while self._activity.open_connections:
            self._activity.close_all()
            await asyncio.sleep(0)

    def _has_room(self) -> bool:
        has_room = self._activity.open_connections < self._max_connections
        return has_room or self._activity.make_room()

    def _refusal(self) -> bytes:
        return self._errors.too_many_connections(new_request_id())

    def _accept(self, sock: socket.socket, _: object) -> None:
        connection = ClientConnection(self._application, self._activity, self._errors, self._direct)
        self._activity.add(connection)
        task = asyncio.get_running_loop().create_task(self._establish(connection, sock))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _establish(self, connection: ClientConnection, sock: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, sock)
        except OSError:
            sock.close()
            self._activity.discard(connection)
