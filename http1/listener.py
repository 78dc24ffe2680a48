"""A listening socket that keeps file descriptors free for the journal and the store.

When the process has no descriptor left, Tornado's accept loop spins and logs a traceback each
time. Here, a connection over the limit gets a response that says so, and is closed.
"""

import contextlib
import errno
import resource
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

from logs.events import get_logger

_log = get_logger(__name__)

_NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})
_WANTED_DESCRIPTORS = 65536
# For segments, the log, the event loop, and up to 256 uploads.
_RESERVED_DESCRIPTORS = 640
_LOG_INTERVAL_S = 10.0
_DISCARDED_BYTES = 64 * 1024


def connection_limit() -> int:
    """Raise the limit of open files as far as allowed; return how many connections it permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard
    wanted = max(soft, min(most, _WANTED_DESCRIPTORS))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(soft // 2, soft - _RESERVED_DESCRIPTORS)


class Listener(socket.socket):
    """A listening socket whose `accept` refuses connections while `has_room` returns False.

    It sends refused clients what `refusal` returns, a whole response, and holds one descriptor in
    reserve to do so even when the process has no other left.
    """

    has_room: Callable[[], bool]
    refusal: Callable[[], bytes]
    _spare: socket.socket
    _logged_at: float

    @classmethod
    def of(
        cls, sock: socket.socket, has_room: Callable[[], bool], refusal: Callable[[], bytes]
    ) -> "Listener":
        """Take over a listening socket."""
        listener = cls(sock.family, sock.type, sock.proto, sock.detach())
        listener.setblocking(False)
        listener.has_room = has_room
        listener.refusal = refusal
        listener._spare = socket.socket()
        listener._logged_at = -_LOG_INTERVAL_S
        return listener

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection, or refuse it.

        BlockingIOError if there is none, ConnectionAbortedError if it was refused.
        """
        try:
            connection, address = super().accept()
        except OSError as error:
            if error.errno not in _NO_DESCRIPTORS:
                raise
            self._refuse_with_spare()
            raise ConnectionAbortedError from error
        if not self.has_room():
            self._refuse(connection)
            raise ConnectionAbortedError
        return connection, address

    def accept_waiting(self) -> Iterator[tuple[socket.socket, Any]]:
        """Accept every connection that is established; to close the socket would reset them."""
        while True:
            try:
                yield self.accept()
            except ConnectionAbortedError:
                continue
            except OSError:
                return

    def _refuse_with_spare(self) -> None:
        self._spare.close()
        try:
            connection, _ = super().accept()
            self._refuse(connection)
        finally:
            self._spare = socket.socket()

    def _refuse(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.setblocking(False)
            connection.send(self.refusal())
            connection.shutdown(socket.SHUT_WR)
            # To close a socket with unread input would reset the connection.
            connection.recv(_DISCARDED_BYTES)
        now = time.monotonic()
        if now - self._logged_at >= _LOG_INTERVAL_S:
            self._logged_at = now
            _log.warning("connections refused: too many are open")

    def close(self) -> None:
        """Stop listening, and close the reserved descriptor."""
        self._spare.close()
        super().close()
