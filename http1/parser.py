"""Parser for HTTP/1.1 requests (RFC 9112): bytes in, callbacks out, no socket and no application.

llhttp, the parser of Node.js, does the work, through httptools. This module decides what llhttp
leaves open: the size limit of a head, an `Upgrade` to a protocol that the server does not speak,
trailer fields, and URLs that are not percent-encoded.

Invariant: of an incomplete request, at most `MAX_HEAD_BYTES` and one piece of input are held in
memory. Its body is not among them: it is passed on as it arrives.
"""

from typing import NoReturn, Protocol

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser
from tornado.httputil import HTTPHeaders, RequestStartLine

MAX_HEAD_BYTES = 64 * 1024

_LINE_END = b"\r\n"
_VERSIONS = frozenset({"1.0", "1.1"})
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


class BadRequest(ValueError):
    """The input is not an HTTP/1.1 request; the message says why. Nothing after it is parsed."""


class RequestCallbacks(Protocol):
    """Callbacks for the head, body and end of each request, one request after the other."""

    def head_received(
        self, start_line: RequestStartLine, headers: HTTPHeaders, *, keep_alive: bool
    ) -> None:
        """Begin a request. Without `keep_alive`, it is the last one that gets a response."""

    def body_received(self, piece: bytes) -> None:
        """Take a piece of the request's body."""

    def request_completed(self) -> None:
        """End the request."""


class RequestParser:
    """A parser of the requests of one connection, which arrive in pieces of any size.

    `is_in_request` is True from the first byte of a request to its last.
    """

    def __init__(self, callbacks: RequestCallbacks) -> None:
        self._callbacks = callbacks
        self._parser = HttpRequestParser(self)
        self._url = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._pending_bytes = 0
        self._is_in_body = False
        self._is_in_request_line = True
        self._piece_ended_request = False
        self._is_upgrading = False
        self._failure: BadRequest | None = None
        self.is_in_request = False

    def feed(self, data: bytes) -> None:
        """Parse the next piece of input; BadRequest if it is malformed."""
        if self._is_in_request_line:
            data = self._with_ascii_url(data)
        self._piece_ended_request = False
        self._pending_bytes += len(data)
        try:
            while data:
                data = self._parse(data)
        except HttpParserCallbackError as error:
            # Its cause is lost if another exception is being handled, so it is kept here.
            raise self._failure or error from None
        except HttpParserError as error:
            raise BadRequest(f"this is not HTTP/1.1: {error}") from None
        if self._pending_bytes > MAX_HEAD_BYTES:
            raise _head_too_long()

    # A server may ignore an Upgrade (RFC 9110, section 7.8). llhttp stops at the end of the head
    # instead, so another llhttp parser reads the body.
    def _parse(self, data: bytes) -> bytes:
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as stopped:
            fields = (b"%b: %b\r\n" % each for each in self._fields if each[0].lower() in _FRAMING)
            self._parser = HttpRequestParser(self)
            self._parser.feed_data(b"".join([b"POST / HTTP/1.1\r\n", *fields, _LINE_END]))
            return data[stopped.args[0] :]
        return b""

    # llhttp accepts only ASCII (RFC 3986), but some programs send raw UTF-8.
    def _with_ascii_url(self, data: bytes) -> bytes:
        if self._pending_bytes == 0:
            data = data.lstrip(_LINE_END)
        line, end, rest = data.partition(b"\n")
        self._is_in_request_line = not end
        if line.isascii():
            return data
        escaped = "".join(chr(c) if c < 0x80 else f"%{c:02X}" for c in line)
        return escaped.encode("ascii") + end + rest

    def on_message_begin(self) -> None:
        """Begin a request (called by httptools, like all `on_` methods)."""
        self.is_in_request = True
        # If another request ended in this piece, this one's first line is in it and parsed.
        if self._piece_ended_request:
            self._is_in_request_line = False

    def on_url(self, piece: bytes) -> None:
        """Collect a piece of the URL."""
        if not self._is_upgrading:
            self._url += piece
            self._count(len(piece))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header field; ignore trailer fields."""
        if not (self._is_upgrading or self._is_in_body):
            self._fields.append((name, value))
            self._count(len(name) + len(value))

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._fail(_head_too_long())

    def _fail(self, failure: BadRequest) -> NoReturn:
        self._failure = failure
        raise failure

    def on_headers_complete(self) -> None:
        """Report the head."""
        self._pending_bytes = 0
        if self._is_upgrading:
            self._is_upgrading = False
            return
        parser = self._parser
        version = parser.get_http_version()
        if version not in _VERSIONS:
            self._fail(BadRequest(f"this is not HTTP/1.1, but HTTP/{version}"))
        self._is_in_body = True
        self._is_upgrading = parser.should_upgrade()
        start_line = RequestStartLine(
            parser.get_method().decode("ascii"), self._url.decode("ascii"), f"HTTP/{version}"
        )
        headers = _headers(self._fields)
        self._callbacks.head_received(start_line, headers, keep_alive=parser.should_keep_alive())

    def on_body(self, piece: bytes) -> None:
        """Report a piece of the body."""
        self._pending_bytes = 0
        self._callbacks.body_received(piece)

    def on_message_complete(self) -> None:
        """Report the end of the request, and prepare for the next one."""
        if self._is_upgrading:
            return
        self._pending_bytes = 0
        self._head_bytes = 0
        self._url = b""
        self._fields = []
        self._is_in_body = False
        self._is_in_request_line = True
        self._piece_ended_request = True
        self.is_in_request = False
        self._callbacks.request_completed()


def _headers(fields: list[tuple[bytes, bytes]]) -> HTTPHeaders:
    """Return header fields as Tornado has them: each byte a character. llhttp has checked them."""
    headers = HTTPHeaders()
    for raw_name, raw_value in fields:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1").rstrip(" \t")
        if name in headers:
            headers.add(name, value)
        else:
            headers[name] = value
    return headers


def _head_too_long() -> BadRequest:
    return BadRequest(
        f"the request head is over {MAX_HEAD_BYTES} bytes: shorten the URL or the header fields"
    )
