"""A client's connection: passes requests to the application one at a time, in order.

It replaces Tornado's HTTP1Connection, which takes two thirds of the time of a bare request: here
the event loop owns the socket, and llhttp parses (`parser.py`). A RequestHandler uses it as it
uses Tornado's (`handler_connection.py`); requests that need no handler go around it (`direct.py`).

Invariants:

- At most one request is with the application. Requests that a client sends ahead wait, most of
  them as bytes. While one waits, or the client does not read its responses, nothing is read from
  the socket. At most one response waits in memory.
- After the connection has ended, the application and its handlers are not called again.
- What was written reaches a client that reads: the connection is closed for writing first (FIN),
  and what still arrives is read and discarded. To close a socket that has unread input resets the
  connection, which can destroy a response that is on its way (RFC 9112, section 9.6).
"""

import asyncio
import contextlib
import select
from functools import partial
from http.client import responses
from typing import cast

from tornado.httputil import HTTPInputError, HTTPServerConnectionDelegate

from http1.activity import Activity, Part, Progress
from http1.direct import DirectWay, plain_post
from http1.handler_connection import ConnectionContext, HandlerConnection
from http1.parser import BadRequest
from http1.refusal import RequestTimeout, refusal
from http1.request_queue import Request, RequestQueue
from http1.response import ErrorResponses, encode_head
from http1.states import (
    BODY_BROKEN,
    CLOSING,
    ENDED,
    FAILED,
    HANDLER_READY,
    IDLE,
    LOST,
    RECEIVING,
    REFUSED,
    REQUEST_COMPLETE,
    REQUEST_STARTED,
    REQUEST_TAKEN,
    RESPONDED,
    RESPONDED_LAST,
    Event,
    next_state,
)
from logs.events import get_logger

_log = get_logger(__name__)

_NO_ADDRESS = "0.0.0.0"  # noqa: S104  what Tornado calls the peer of a Unix socket
_CLOSE = ("Connection", "close")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ClientConnection(asyncio.Protocol):
    """A connection that serves `application`.

    It reports to `activity`, which has it already, when it becomes idle, busy or closed.
    Bytes that are not a request get their response from `errors`. `direct`, if given, is offered
    each plain request before its handler is.
    """

    def __init__(
        self,
        application: HTTPServerConnectionDelegate,
        activity: Activity,
        errors: ErrorResponses,
        direct: DirectWay | None = None,
    ) -> None:
        self._application = application
        self._direct = direct
        self._activity = activity
        self._errors = errors
        self._state = IDLE
        self._queue = RequestQueue()
        # The handler that has its first request.
        self._handler: HandlerConnection | None = None
        self._reading_is_paused = False
        self._writing_is_paused = False

    @property
    def progress(self) -> Progress | None:
        """The progress of what is incomplete on the client's side; None if nothing is."""
        if self._writing_is_paused:
            unread = self._transport.get_write_buffer_size()
            return Progress(Part.RESPONSE, self._queue.begun, -unread)
        return self._queue.progress if self._state < CLOSING else None

    @property
    def is_quiet(self) -> bool:
        """True if nothing has arrived, parsed or not, that is still without a response."""
        return self._state is IDLE and self._queue.is_empty and not self._has_unread_input()

    @property
    def is_sending(self) -> bool:
        """True while the client has not taken all that was written."""
        return self._transport.get_write_buffer_size() > 0

    # The kernel may have a request that the event loop has not seen yet.
    def _has_unread_input(self) -> bool:
        sock = self._transport.get_extra_info("socket")
        if sock is None or sock.fileno() < 0:
            return False
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    # Calls from the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._context = ConnectionContext(peer[0] if isinstance(peer, tuple) else _NO_ADDRESS)
        # `pause_writing` is called as soon as a byte has to wait in memory for the client.
        self._transport.set_write_buffer_limits(high=0)
        self._activity.mark_idle(self)

    def data_received(self, data: bytes) -> None:
        """Parse bytes from the client; discard them once no response can follow."""
        if self._state < CLOSING:
            self._queue.add(data)
            self._advance()

    def pause_writing(self) -> None:
        """Stop reading and starting requests: the client does not read its responses."""
        self._writing_is_paused = True
        self._pause_or_resume_reading()
        unsent = self._transport.get_write_buffer_size()
        self._activity.mark_unread(self, unsent + self._queue.unparsed_bytes)

    def resume_writing(self) -> None:
        """Continue: the client reads its responses again."""
        self._writing_is_paused = False
        self._activity.mark_read(self)
        if self._state is CLOSING:
            self._activity.mark_closing(self)
        self._advance()

    def connection_lost(self, _: Exception | None) -> None:
        """Drop all requests, and tell the handler of the one in flight."""
        self._end(LOST)
        self._activity.discard(self)

    # The way of a request, from bytes to its handler.

    def _advance(self) -> None:
        """Do everything that is possible now: parse, start the next request, pass on its body."""
        if self._state >= CLOSING:
            return
        try:
            self._queue.parse()
            if self._handler is not None and not self._queue.requests:
                self._drop_broken_request()
            if self._state is IDLE and not self._writing_is_paused:
                self._start_next()
            if self._state is RECEIVING:
                self._pass_on_body()
        except Exception as error:
            _log.error("connection failed", exc_info=error)
            self._end(FAILED)
            self.close()
        self._pause_or_resume_reading()

    def _pause_or_resume_reading(self) -> None:
        pauses = self._writing_is_paused or self._queue.is_full
        if pauses != self._reading_is_paused and self._state < CLOSING:
            self._reading_is_paused = pauses
            if pauses:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _drop_broken_request(self) -> None:
        """Abandon the request in flight: its body turned out to be malformed."""
        self._state = next_state(self._state, BODY_BROKEN)
        self._activity.mark_idle(self)
        self._abandon()

    def _start_next(self) -> None:
        queue = self._queue
        if queue.requests:
            self._start(queue.requests[0])
        elif queue.failure is not None:
            self._refuse(queue.failure)

    def _start(self, request: Request) -> None:
        if self._direct is not None and self._offer(request, self._direct):
            return
        self._state = next_state(self._state, REQUEST_STARTED)
        self._activity.mark_busy(self)
        handler = self._handler = HandlerConnection(self, self._context)
        try:
            headers = request.fields.as_headers()
            handler.delegate = self._application.start_request(self, handler)
            ready = handler.delegate.headers_received(request.start_line, headers)
        except HTTPInputError as error:
            self._refuse(BadRequest(str(error)))
            return
        # A body that arrived with its head need not wait for `prepare`, which runs two turns of
        # the event loop later.
        if request.is_complete or ready is None:
            self._receive_body(request)
        else:
            future = asyncio.ensure_future(ready)
            future.add_done_callback(lambda _: self._handler_ready(handler, request))

    def _offer(self, request: Request, direct: DirectWay) -> bool:
        post = None if self._activity.draining else plain_post(request, self._context.remote_ip)
        if post is None or not direct(post, partial(self._respond, request)):
            return False
        self._state = next_state(self._state, REQUEST_TAKEN)
        self._activity.mark_busy(self)
        return True

    def _respond(
        self, request: Request, status: int, fields: list[tuple[str, str]], body: bytes
    ) -> None:
        """Write the response to a request that was taken; nothing if the client has gone."""
        if self._queue.begins_with(request):
            self.write_response(status, responses[status], fields, body)
            self.end_request()

    def _handler_ready(self, handler: HandlerConnection, request: Request) -> None:
        """Pass on the body once `prepare` has run, unless the request has ended by then."""
        if self._handler is handler:
            self._receive_body(request)
            self._advance()

    def _receive_body(self, request: Request) -> None:
        self._state = next_state(self._state, HANDLER_READY)
        if not request.is_complete and request.waits_for_continue:
            self._transport.write(_CONTINUE)

    def _pass_on_body(self) -> None:
        handler, request = self._handler, self._queue.requests[0]
        assert handler is not None
        pieces, request.body = request.body, []
        for piece in pieces:
            handler.delegate.data_received(piece)
        # The handler may have responded in the middle of the body.
        if request.is_complete and self._handler is handler:
            self._state = next_state(self._state, REQUEST_COMPLETE)
            handler.delegate.finish()

    # The response.

    def write_response(
        self, status: int, reason: str, fields: list[tuple[str, str]], body: bytes
    ) -> None:
        """See `Responding.write_response`."""
        request = self._queue.requests[0]
        closes = _CLOSE in fields
        request.keep_alive = not closes and self._stays_open(request)
        if not request.keep_alive and not closes:
            fields.append(_CLOSE)
        elif request.keep_alive and request.start_line.version == "HTTP/1.0":
            fields.append(("Connection", "keep-alive"))
        self._transport.write(encode_head(status, reason, fields) + body)

    def _stays_open(self, request: Request) -> bool:
        """Return False if this response is the last one.

        During a shutdown that is the one after which no other request has arrived.
        """
        if not request.keep_alive or not request.is_complete:
            return False
        return not self._activity.draining or self._queue.is_full

    def end_request(self) -> None:
        """See `Responding.end_request`."""
        if not self._queue.requests[0].keep_alive:
            self._close_when_sent(RESPONDED_LAST)
            return
        self._state = next_state(self._state, RESPONDED)
        self._queue.requests.popleft()
        self._handler = None
        self._activity.mark_idle(self)
        self._advance()

    # The end of the connection.

    def time_out(self) -> bool:
        """End the connection, since its progress took too long; respond, if a request did.

        Return False, and do nothing, if more of the request has arrived but was not read yet.
        """
        if self._writing_is_paused:
            self.close()
            return True
        if self._has_unread_input():
            return False
        if self._handler is not None and self._handler.on_timeout is not None:
            self._handler.on_timeout()
        elif self._state is IDLE:
            self._refuse(RequestTimeout("the request head did not arrive in time: retry"))
        else:
            self.close()
        return True

    def _refuse(self, failure: BadRequest | RequestTimeout) -> None:
        """Write an error for what is not a request, or not a whole one; end the connection."""
        self._transport.write(refusal(self._errors, failure, self._context.remote_ip))
        self._close_when_sent(REFUSED)

    def end(self) -> None:
        """Tell the client that no response will follow, and discard what it still sends."""
        self._close_when_sent(ENDED)

    def _close_when_sent(self, event: Event) -> None:
        self._activity.mark_closing(self)
        self._end(event)
        # It fails if the client has reset the connection, and then there is nobody to tell.
        with contextlib.suppress(OSError, RuntimeError):
            self._transport.write_eof()
            if self._reading_is_paused:
                self._transport.resume_reading()

    def close(self) -> None:
        """Close the connection at once, and abandon the request in flight."""
        self._transport.abort()

    def _end(self, event: Event) -> None:
        self._state = next_state(self._state, event)
        self._queue.clear()
        self._abandon()

    def _abandon(self) -> None:
        handler, self._handler = self._handler, None
        if handler is not None:
            handler.abandon()
