"""Which requests are under way, so that a shutdown can let them finish, and which are late."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Connection(Protocol):
    """What a client has opened."""

    def close(self) -> None:
        """End it, with whatever is under way on it."""


class Request(Protocol):
    """A request under way; `is_reading` as long as its body is not complete."""

    is_reading: bool

    @property
    def connection(self) -> Connection:
        """Where it came in."""


class Activity:
    """Knows the connections that wait for a request, and requests until their answer.

    `draining` is set once, when the server begins to stop: from then on every answer asks
    the client to close its connection. `monotonic` gives seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._waiting: dict[Connection, float] = {}
        self._begun: dict[Request, float] = {}
        self._idle = asyncio.Event()
        self.draining = False

    @property
    def in_flight(self) -> int:
        """The number of requests that are not answered yet."""
        return len(self._begun)

    def wait(self, connection: Connection) -> None:
        """A connection waits for the headers of a request."""
        self._waiting[connection] = self._monotonic()

    def forget(self, connection: Connection) -> None:
        """A connection has ended; once more changes nothing."""
        self._waiting.pop(connection, None)

    def begin(self, request: Request) -> None:
        """A request's headers have come in."""
        self._waiting.pop(request.connection, None)
        self._begun[request] = self._monotonic()

    def end(self, request: Request) -> None:
        """A request is answered, or its client has gone; once more changes nothing."""
        self._begun.pop(request, None)
        if not self._begun:
            self._idle.set()

    def close_idle(self, limit_s: float) -> int:
        """Close the connections on which no request has come within `limit_s`; how many."""
        since = self._monotonic() - limit_s
        return _close([each for each, begun in self._waiting.items() if begun < since])

    def close_longest_idle(self) -> bool:
        """Close the connection that has waited longest for a request; whether there is one."""
        longest = next(iter(self._waiting), None)
        if longest is None:
            return False
        self.forget(longest)
        longest.close()
        return True

    def close_stalled(self, limit_s: float) -> int:
        """Close those on which a request's body has not come within `limit_s`; how many.

        A timer for each request, which Tornado's `body_timeout` is, costs a tenth of a request.
        """
        since = self._monotonic() - limit_s
        begun = self._begun.items()
        return _close([each.connection for each, at in begun if each.is_reading and at < since])

    async def idle(self, timeout_s: float) -> bool:
        """Wait until no request is under way, at most `timeout_s`; whether none is."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._begun:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            return False
        return True


def _close(connections: list[Connection]) -> int:
    for connection in connections:
        connection.close()
    return len(connections)
