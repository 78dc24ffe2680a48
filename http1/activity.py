"""The open connections: since when each is idle, and which of them have a request in flight."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Connection(Protocol):
    """A connection to a client."""

    @property
    def awaits_body(self) -> bool:
        """True while a request is in flight whose body is not complete."""

    def close(self) -> None:
        """Close the connection at once, and abandon the request in flight."""


class Activity:
    """The only record of who is connected.

    A connection is open from `add` to `discard`. Once it is established, it is either idle or busy.
    A busy connection has one request in flight: the application has it and has not responded.

    `draining` is set once, when the server begins to stop. From then on every response asks the
    client to close its connection. `monotonic` returns seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._open: set[Connection] = set()
        # Each in the order in which the connections became idle or busy.
        self._idle_since: dict[Connection, float] = {}
        self._busy_since: dict[Connection, float] = {}
        self._request_ended = asyncio.Event()
        self.draining = False

    @property
    def open_connections(self) -> int:
        """The number of connections, including those that are being established or closed."""
        return len(self._open)

    @property
    def in_flight(self) -> int:
        """The number of requests that have no response yet."""
        return len(self._busy_since)

    def add(self, connection: Connection) -> None:
        """Record a connection that was accepted."""
        self._open.add(connection)

    def mark_idle(self, connection: Connection) -> None:
        """Record that a connection has no request in flight."""
        self._end_request(connection)
        self._idle_since[connection] = self._monotonic()

    def mark_busy(self, connection: Connection) -> None:
        """Record that a connection has a request in flight."""
        self._idle_since.pop(connection, None)
        self._busy_since[connection] = self._monotonic()

    def discard(self, connection: Connection) -> None:
        """Forget a closed connection. Does nothing if it was removed before."""
        self._open.discard(connection)
        self._idle_since.pop(connection, None)
        self._end_request(connection)

    def _end_request(self, connection: Connection) -> None:
        self._busy_since.pop(connection, None)
        if not self._busy_since:
            self._request_ended.set()

    def close_idle(self, limit_s: float) -> int:
        """Close connections that have been idle for over `limit_s`; return their number."""
        before = self._monotonic() - limit_s
        return _close([each for each, since in self._idle_since.items() if since < before])

    def close_longest_idle(self) -> bool:
        """Close the connection that has been idle for longest; return False if none is idle."""
        longest = next(iter(self._idle_since), None)
        if longest is None:
            return False
        del self._idle_since[longest]
        longest.close()
        return True

    def close_stalled(self, limit_s: float) -> int:
        """Close connections whose request is incomplete after `limit_s`; return their number.

        A timer for each request, like Tornado's `body_timeout`, costs a tenth of a request.
        """
        before = self._monotonic() - limit_s
        busy = self._busy_since.items()
        return _close([each for each, since in busy if since < before and each.awaits_body])

    def close_all(self) -> None:
        """Close every established connection."""
        _close([*self._idle_since, *self._busy_since])

    async def wait_for_requests(self, timeout_s: float) -> bool:
        """Wait until no request is in flight; return False if one is left after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._busy_since:
                    self._request_ended.clear()
                    await self._request_ended.wait()
        except TimeoutError:
            return False
        return True


def _close(connections: list[Connection]) -> int:
    for connection in connections:
        connection.close()
    return len(connections)
