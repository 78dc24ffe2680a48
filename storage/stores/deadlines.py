"""Deadlines of whole exchanges, which cut the connection of one that takes too long.

The timeouts of a socket limit one call each: a peer that sends a byte now and then never meets one.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(eq=False)
class Exchange:
    """A request and its response, under way in one thread. `at` is in monotonic seconds."""

    at: float
    connection: socket.socket | None = None
    has_expired: bool = False

    def expire(self) -> None:
        """Cut the connection; the thread that waits for it sees its end."""
        self.has_expired = True
        if self.connection is not None:
            # An SSLSocket's own shutdown() would let its reader go on without encryption.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self.connection, socket.SHUT_RDWR)


class Deadlines:
    """The deadlines of the exchanges of several threads, one for each thread at a time.

    A thread of its own watches them. It ends when nothing is left to watch.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._exchanges: dict[int, Exchange] = {}
        self._wakes_at: float | None = None

    @contextlib.contextmanager
    def exchange(self, seconds: float) -> Iterator[Exchange]:
        """Limit everything that the calling thread does with the sockets that it uses."""
        exchange = Exchange(self._monotonic() + seconds)
        thread = threading.get_ident()
        with self._changed:
            self._exchanges[thread] = exchange
            self._wake_by(exchange.at)
        try:
            yield exchange
        finally:
            with self._changed:
                del self._exchanges[thread]

    def use(self, used: socket.socket | None) -> None:
        """Note the socket that the calling thread uses from now on."""
        with self._changed:
            exchange = self._exchanges.get(threading.get_ident())
            if exchange is None:
                return
            exchange.connection = used
            if exchange.has_expired:
                exchange.expire()

    def _wake_by(self, at: float) -> None:
        if self._wakes_at is None:
            self._wakes_at = at
            threading.Thread(target=self._watch, name="upload deadlines", daemon=True).start()
        elif at < self._wakes_at:
            self._wakes_at = at
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while self._wakes_at is not None:
                self._changed.wait(self._wakes_at - self._monotonic())
                self._wakes_at = self._expire()

    def _expire(self) -> float | None:
        now = self._monotonic()
        waiting = [each for each in self._exchanges.values() if not each.has_expired]
        for each in waiting:
            if each.at <= now:
                each.expire()
        return min((each.at for each in waiting if not each.has_expired), default=None)
