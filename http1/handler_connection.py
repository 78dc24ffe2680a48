"""The connection as Tornado's handlers use it."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Protocol, cast

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)


class ConnectionContext(NamedTuple):
    """The facts about a connection that Tornado copies into each request."""

    remote_ip: str
    protocol: str = "http"


class Responding(Protocol):
    """The connection to the client."""

    def write_response(
        self, status: int, reason: str, fields: list[tuple[str, str]], body: bytes
    ) -> None:
        """Write the whole response to the request in flight; `Connection` is added to `fields`."""

    def end_request(self) -> None:
        """Start the next request after the response, or close the connection."""


class HandlerConnection(HTTPConnection):
    """Tornado's `HTTPConnection` for the handler of one request.

    The response has to be written in one piece. `delegate` is the handler's side, to which the
    connection passes the request; `on_timeout` is to be called if its body takes too long.
    """

    delegate: HTTPMessageDelegate

    def __init__(self, connection: Responding, context: ConnectionContext) -> None:
        self.context = context
        # None once nobody waits for the response any more.
        self._connection: Responding | None = connection
        self._on_close: Callable[[], None] | None = None
        self.on_timeout: Callable[[], None] | None = None
        self._written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._written.set_result(None)

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> "asyncio.Future[None]":
        """Write a whole response. The returned future is done already, not when it is sent.

        Does nothing if the client has gone. ValueError if a header field is not one line.
        """
        if self._connection is not None:
            status = cast(ResponseStartLine, start_line)
            fields = list(headers.get_all())
            self._connection.write_response(status.code, status.reason, fields, chunk or b"")
        return self._written

    def write(self, _: bytes) -> "asyncio.Future[None]":
        """Raise NotImplementedError: a response is written in one piece."""
        raise NotImplementedError("a response is written in one piece")

    def finish(self) -> None:
        """Start the next request after a response was written, or close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.end_request()

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Set the function to call if the connection ends before the response, or None."""
        self._on_close = callback

    def set_timeout_callback(self, callback: Callable[[], None]) -> None:
        """Set the function that responds if the body of the request takes too long."""
        self.on_timeout = callback

    def abandon(self) -> None:
        """Tell the handler, if it has not responded, that nobody waits for its response."""
        self._connection = None
        callback, self._on_close = self._on_close, None
        if callback is not None:
            callback()
