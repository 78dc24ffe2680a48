"""One client's connection: requests to the application one at a time, answers back in order.

It stands in for Tornado's own, which takes two thirds of the time of a bare request: here the
event loop owns the socket, and llhttp reads (`parser.py`). To a RequestHandler it is
what Tornado's is, `tornado.httputil.HTTPConnection`, save that each answer is written in one
piece.

Invariants:

- One request is with the application. What comes ahead of its answer waits, most of it as bytes,
  and while something waits, or the client does not take its answers, nothing is read from the
  socket.
- After the connection has ended nobody hears of it again.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import getrandbits
from typing import NamedTuple, Protocol, cast

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)

from http1.parser import NotHttp, RequestReader
from http1.response import bad_request, encode_head
from logs.events import get_logger

_log = get_logger(__name__)

_NO_ADDRESS = "0.0.0.0"  # noqa: S104  what Tornado calls the peer of a Unix socket
# So much is read at once; a client may put hundreds of requests into it.
_PIECE_BYTES = 16 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Watcher(Protocol):
    """Who watches over all connections."""

    def waits(self, connection: "ClientConnection") -> None:
        """It waits for a request, its first or another one."""

    def lost(self, connection: "ClientConnection") -> None:
        """It has ended."""


class Context(NamedTuple):
    """What Tornado asks of a connection for each request."""

    remote_ip: str
    protocol: str = "http"


@dataclass(slots=True)
class _Request:
    """A request, as far as it has come in; `body` was not handed on yet."""

    start_line: RequestStartLine
    headers: HTTPHeaders
    keeps_alive: bool
    body: list[bytes] = field(default_factory=list)
    is_whole: bool = False

    @property
    def waits_for_continue(self) -> bool:
        """Whether the client sends its body once it is told to (RFC 9110, section 10.1.1)."""
        asked = self.headers.get("Expect", "").lower() == "100-continue"
        return asked and self.start_line.version == "HTTP/1.1"


class ClientConnection(asyncio.Protocol, HTTPConnection):
    """A connection on which requests for `application` come."""

    def __init__(self, application: HTTPServerConnectionDelegate, watcher: Watcher) -> None:
        self._application = application
        self._watcher = watcher
        self._reader = RequestReader(self)
        self._requests: deque[_Request] = deque()
        self._delegate: HTTPMessageDelegate | None = None
        self._is_ready = False
        self._unread = b""
        self._failure: NotHttp | None = None
        self._on_close: Callable[[], None] | None = None
        self._has_ended = False
        self._ends_with_answer = False
        self._is_paused = False
        self._is_full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.context = Context(peer[0] if isinstance(peer, tuple) else _NO_ADDRESS)
        self._written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._written.set_result(None)
        self._watcher.waits(self)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self._unread += data
        self._advance()

    def pause_writing(self) -> None:
        """The client does not take its answers."""
        self._is_full = True
        self._read_or_pause()

    def resume_writing(self) -> None:
        """It does again."""
        self._is_full = False
        self._advance()

    def connection_lost(self, _: Exception | None) -> None:
        """The connection has ended, whoever ended it."""
        self._end()
        self._watcher.lost(self)

    def head_read(
        self, start_line: RequestStartLine, headers: HTTPHeaders, *, keeps_alive: bool
    ) -> None:
        """See `Taker.head_read`."""
        if not self._has_ended:
            self._requests.append(_Request(start_line, headers, keeps_alive))

    def body_read(self, piece: bytes) -> None:
        """See `Taker.body_read`."""
        if self._requests:
            self._requests[-1].body.append(piece)
            self._hand_over()

    def request_read(self) -> None:
        """See `Taker.request_read`."""
        if self._requests:
            self._requests[-1].is_whole = True
            self._hand_over()

    def _advance(self) -> None:
        """Give the application the next request, if it is free and the client takes answers."""
        self._read()
        if self._delegate is None and not self._is_full and not self._has_ended:
            if self._requests:
                self._begin(self._requests[0])
            elif self._failure is not None:
                self._answer_failure(self._failure)
        self._read_or_pause()

    def _read(self) -> None:
        while self._unread and len(self._requests) <= 1 and not self._is_at_end:
            piece, self._unread = self._unread[:_PIECE_BYTES], self._unread[_PIECE_BYTES:]
            try:
                self._reader.feed(piece)
            except NotHttp as failure:
                self._fail(failure)
            except Exception as error:
                _log.error("connection failed", exc_info=error)
                self._end()
                self.close()

    @property
    def _is_at_end(self) -> bool:
        return self._has_ended or self._failure is not None

    def _read_or_pause(self) -> None:
        pauses = self._is_full or len(self._requests) > 1 or self._unread != b""
        if pauses != self._is_paused and not self._has_ended:
            self._is_paused = pauses
            if pauses:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _begin(self, request: _Request) -> None:
        self._is_ready = False
        delegate = self._delegate = self._application.start_request(self, self)
        try:
            prepared = delegate.headers_received(request.start_line, request.headers)
        except HTTPInputError as error:
            self._requests.clear()
            self._answer_failure(NotHttp(str(error)))
            return
        # A body that came with its head need not wait for `prepare`, which is two turns of the
        # event loop away.
        if request.is_whole or prepared is None:
            self._go_on(request)
        else:
            future = asyncio.ensure_future(prepared)
            future.add_done_callback(lambda _: self._go_on(request))

    def _go_on(self, request: _Request) -> None:
        """The handler has seen the head: now it takes the body, unless it has answered."""
        if not self._requests or self._requests[0] is not request:
            return
        self._is_ready = True
        if request.waits_for_continue and not request.is_whole:
            self._transport.write(_CONTINUE)
        self._hand_over()

    def _hand_over(self) -> None:
        request, delegate = self._requests[0], self._delegate
        if delegate is None or not self._is_ready:
            return
        pieces, request.body = request.body, []
        for piece in pieces:
            delegate.data_received(piece)
        if request.is_whole and self._requests and self._requests[0] is request:
            self._is_ready = False
            delegate.finish()

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> "asyncio.Future[None]":
        """Write an answer, whole; the future is done before the client has it.

        ValueError if a header would be more than one line.
        """
        if not self._requests:
            return self._written
        request = self._requests[0]
        if not request.keeps_alive or not request.is_whole:
            headers["Connection"] = "close"
        elif request.start_line.version == "HTTP/1.0":
            headers["Connection"] = "keep-alive"
        self._ends_with_answer = headers.get("Connection") == "close"
        head = encode_head(cast(ResponseStartLine, start_line), headers)
        self._transport.write(head + (chunk or b""))
        return self._written

    def write(self, _: bytes) -> "asyncio.Future[None]":
        """Refuse: there are no answers in several pieces."""
        raise NotImplementedError("an answer is written in one piece")

    def finish(self) -> None:
        """The answer is written: go on with the next request, or end."""
        if not self._requests:
            return
        self._requests.popleft()
        self._delegate = None
        if self._ends_with_answer:
            self._end_with_answer()
        else:
            self._watcher.waits(self)
            self._advance()

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Call this if the connection ends before the answer; None: call nothing."""
        self._on_close = callback

    def _fail(self, failure: NotHttp) -> None:
        self._failure, self._unread = failure, b""
        if self._requests and not self._requests[-1].is_whole:
            self._requests.pop()
            if not self._requests:
                self._abandon()

    def _answer_failure(self, failure: NotHttp) -> None:
        """Say in the one form of an error that this was no request, and end."""
        request_id = f"{getrandbits(64):016x}"
        _log.info(
            "not understood",
            cause=str(failure),
            client=self.context.remote_ip,
            request_id=request_id,
        )
        self._transport.write(bad_request(str(failure), request_id))
        self._end_with_answer()

    def close(self) -> None:
        """End it now, with whatever is under way on it."""
        self._transport.abort()

    # A client that never takes its last answer is one on which nothing comes.
    def _end_with_answer(self) -> None:
        self._watcher.waits(self)
        self._transport.close()
        self._end()

    def _end(self) -> None:
        self._has_ended = True
        self._unread = b""
        self._requests.clear()
        self._abandon()

    def _abandon(self) -> None:
        """Tell the application that nobody waits for its answer."""
        self._delegate = None
        callback, self._on_close = self._on_close, None
        if callback is not None:
            callback()
