"""The open connections: which are idle, have a request in flight, or are being closed."""

import time
from collections.abc import Callable, Iterable
from enum import Enum
from itertools import chain
from typing import NamedTuple, Protocol

# In the process's memory, beyond what the kernel holds for each connection.
_MAX_UNREAD_BYTES = 64 * 1024 * 1024


class Part(Enum):
    """The part of an exchange that a connection waits for: a request's, or its response."""

    HEAD = "head"
    BODY = "body"
    RESPONSE = "response"


class Progress(NamedTuple):
    """The part that a connection waits for its client to send or to read.

    `number` counts the requests of the connection. `done` grows with each byte that is received
    or read; it is always 0 for a head.
    """

    part: Part
    number: int
    done: int

    @property
    def waits_for(self) -> tuple[Part, int]:
        """The identity of the part."""
        return self.part, self.number


class Connection(Protocol):
    """A connection to a client."""

    @property
    def progress(self) -> Progress | None:
        """The progress of what is incomplete on the client's side; None if nothing is."""

    @property
    def is_quiet(self) -> bool:
        """True if nothing has arrived, parsed or not, that is still without a response."""

    @property
    def is_sending(self) -> bool:
        """True while the client has not taken all that was written."""

    def end(self) -> None:
        """Tell the client that no response will follow, and discard what it still sends."""

    def time_out(self) -> bool:
        """End the connection, since its progress took too long; respond, if a request did.

        Return False, and do nothing, if more of the request has arrived but was not read yet.
        """

    def close(self) -> None:
        """Close the connection at once, and abandon the request in flight."""


class Activity:
    """The only record of who is connected.

    A connection is open from `add` to `discard`. Once it is established, it is idle, busy or
    closing. A busy connection has one request in flight: the application has it and has not
    responded. A closing one gets no more responses; it stays open until the client closes it too.

    `stopping` is set once, when the server is asked to stop. `draining` is set once, when it
    begins to: from then on every response asks the client to close its connection. `monotonic`
    returns seconds, by the clock of all time limits.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        max_unread_bytes: int = _MAX_UNREAD_BYTES,
    ) -> None:
        self.monotonic = monotonic
        self._open: set[Connection] = set()
        # Each in the order in which the connections became idle, busy or closing.
        self._idle_since: dict[Connection, float] = {}
        self._busy_since: dict[Connection, float] = {}
        self._closing_since: dict[Connection, float] = {}
        self._unread = _Unread(max_unread_bytes)
        self.stopping = False
        self.draining = False

    @property
    def open_connections(self) -> int:
        """The number of connections, including those that are being established or closed."""
        return len(self._open)

    @property
    def in_flight(self) -> int:
        """The number of requests that have no response yet."""
        return len(self._busy_since)

    @property
    def established(self) -> list[Connection]:
        """All connections except those that are being established."""
        return [*self._idle_since, *self._busy_since, *self._closing_since]

    def add(self, connection: Connection) -> None:
        """Record a connection that was accepted."""
        self._open.add(connection)

    def mark_idle(self, connection: Connection) -> None:
        """Record that a connection has no request in flight."""
        self._busy_since.pop(connection, None)
        self._idle_since[connection] = self.monotonic()

    def mark_busy(self, connection: Connection) -> None:
        """Record that a connection has a request in flight."""
        self._idle_since.pop(connection, None)
        self._busy_since[connection] = self.monotonic()

    def mark_closing(self, connection: Connection) -> None:
        """Record that a connection gets no more responses, or that the last one was sent now."""
        self._idle_since.pop(connection, None)
        self._busy_since.pop(connection, None)
        self._closing_since.pop(connection, None)
        self._closing_since[connection] = self.monotonic()

    def mark_unread(self, connection: Connection, size: int) -> None:
        """Record that `size` bytes wait in memory, since the client does not read its response.

        If those of all clients exceed the limit, close the connections that have waited longest.
        """
        self._unread.add(connection, size)

    def mark_read(self, connection: Connection) -> None:
        """Record that a client has read what waited for it."""
        self._unread.discard(connection)

    def discard(self, connection: Connection) -> None:
        """Forget a closed connection. Does nothing if it was removed before."""
        self._open.discard(connection)
        self._idle_since.pop(connection, None)
        self._busy_since.pop(connection, None)
        self._closing_since.pop(connection, None)
        self._unread.discard(connection)

    def end_idle(self, limit_s: float) -> int:
        """End connections that have been idle for over `limit_s`; return their number.

        One on which something has arrived is left alone: its request gets a response.
        """
        ended = [each for each in self._older(self._idle_since, limit_s) if each.is_quiet]
        for connection in ended:
            connection.end()
        return len(ended)

    def close_lingering(self, limit_s: float) -> int:
        """Close connections whose last response is older than `limit_s`; return their number."""
        older = self._older(self._closing_since, limit_s)
        return _close(each for each in older if not each.is_sending)

    def _older(self, since: dict[Connection, float], limit_s: float) -> list[Connection]:
        before = self.monotonic() - limit_s
        return [connection for connection, at in since.items() if at < before]

    def make_room(self) -> bool:
        """Close the connection that is needed least; return False if all are in use."""
        lingering = (each for each in self._closing_since if not each.is_sending)
        idle = (each for each in self._idle_since if each.is_quiet)
        connection = next(chain(lingering, idle), None)
        if connection is None:
            return False
        self._closing_since.pop(connection, None)
        self._idle_since.pop(connection, None)
        connection.close()
        return True

    def close_all(self) -> None:
        """Close every established connection."""
        _close(self.established)


class _Unread:
    """The bytes that wait in memory for clients that do not read, at most `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._bytes_of: dict[Connection, int] = {}

    def add(self, connection: Connection, size: int) -> None:
        self.discard(connection)
        self._bytes_of[connection] = size
        self._bytes += size
        # The newest is in the middle of a write.
        while self._bytes > self._max_bytes and len(self._bytes_of) > 1:
            longest = next(iter(self._bytes_of))
            self.discard(longest)
            longest.close()

    def discard(self, connection: Connection) -> None:
        self._bytes -= self._bytes_of.pop(connection, 0)


def _close(connections: Iterable[Connection]) -> int:
    closed = list(connections)
    for connection in closed:
        connection.close()
    return len(closed)
