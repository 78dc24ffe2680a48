"""Parser for HTTP/1.1 requests (RFC 9112): bytes in, callbacks out, no socket and no application.

llhttp, the parser of Node.js, does the work, through httptools. This module decides what llhttp
leaves open: the size limits of a head and of a chunked body's framing, which framing is safe (two
parsers that see different ends of a request let one request be smuggled inside another: section
11.2), an `Upgrade` to a protocol that the server does not speak, trailer fields, and URLs that are
not percent-encoded.

Invariants:

- Of an incomplete head, at most `MAX_HEAD_BYTES` are held in memory. Its body is passed on as it
  arrives.
- llhttp gets the input in pieces of which none holds bytes of two requests, or of a head and a
  body, so that each byte is counted where it belongs.
"""

import math
import re
from typing import Protocol

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser
from tornado.httputil import RequestStartLine

from http1.fields import HeaderFields

MAX_HEAD_BYTES = 32 * 1024
MAX_HEAD_FIELDS = 100
MAX_CHUNK_OVERHEAD_BYTES = 4096

_LINE_END = b"\r\n"
# The end of every head, and of every chunked body.
_BLANK_LINE = b"\r\n\r\n"
_VERSIONS = frozenset({"1.0", "1.1"})
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_CHECKED = _FRAMING | {b"host"}
_LENGTH = re.compile(rb"[0-9]{1,18}")
# Tornado converts the port to an int, which refuses thousands of digits; 65535 is the last port.
_LONG_PORT = re.compile(rb":[0-9]{6,}$")
# The framing of the smallest chunk: a digit and two line ends.
_LEAST_CHUNK_FRAMING = 5


class BadRequest(ValueError):
    """The input is not an HTTP/1.1 request; the message says why. Nothing after it is parsed."""


class HeadTooLarge(BadRequest):
    """A request head that is over a limit."""


class RequestCallbacks(Protocol):
    """Callbacks for the head, body and end of each request, one request after the other."""

    def head_received(
        self, start_line: RequestStartLine, fields: HeaderFields, *, keep_alive: bool
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
        self._last_bytes = b""
        self._is_upgrading = False
        self._failure: BadRequest | None = None
        self._start_request()

    def _start_request(self) -> None:
        self.is_in_request = False
        self._url = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._is_in_request_line = True
        self._is_in_body = False
        # Of a body with a Content-Length.
        self._body_bytes_left = 0
        # Of a chunked body, as far as it was received.
        self._chunked_bytes = 0
        self._body_bytes = 0
        self._chunks = 0

    def feed(self, data: bytes) -> None:
        """Parse the next piece of input; BadRequest if it is malformed."""
        start = 0
        try:
            while start < len(data):
                end = self._end_of_piece(data, start)
                self._parse(data[start:end])
                start = end
        except HttpParserCallbackError as error:
            # Its cause is lost if another exception is being handled, so it is kept here.
            raise self._failure or error from None
        except HttpParserError as error:
            raise BadRequest(f"this is not HTTP/1.1: {error}") from None

    def _end_of_piece(self, data: bytes, start: int) -> int:
        """Return where the head or the body may end that goes on at `start`."""
        if self._body_bytes_left:
            return min(start + self._body_bytes_left, len(data))
        if self._last_bytes:
            across = (self._last_bytes + data[start : start + 3]).find(_BLANK_LINE)
            if across >= 0:
                return start + across + len(_BLANK_LINE) - len(self._last_bytes)
        found = data.find(_BLANK_LINE, start)
        return len(data) if found < 0 else found + len(_BLANK_LINE)

    def _parse(self, piece: bytes) -> None:
        if self._body_bytes_left:
            self._body_bytes_left -= len(piece)
            self._parser.feed_data(piece)
            return
        if piece.endswith(_BLANK_LINE):
            self._last_bytes = b""
        else:
            self._last_bytes = (self._last_bytes + piece[-3:])[-3:]
        if self._is_in_body:
            self._chunked_bytes += len(piece)
        else:
            piece = self._prepare_head(piece)
        if piece:
            self._feed_parser(piece)
        if self._chunked_bytes:
            self._check_chunk_overhead()

    def _prepare_head(self, piece: bytes) -> bytes:
        if self._head_bytes == 0:
            piece = piece.lstrip(_LINE_END)
        self._head_bytes += len(piece)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise HeadTooLarge(
                f"the request head is over {MAX_HEAD_BYTES} bytes: shorten the URL or the header "
                "fields"
            )
        return self._with_ascii_url(piece) if self._is_in_request_line else piece

    # A server may ignore an Upgrade (RFC 9110, section 7.8). llhttp stops at the end of the head
    # instead, so another llhttp parser reads the body.
    def _feed_parser(self, piece: bytes) -> None:
        try:
            self._parser.feed_data(piece)
        except HttpParserUpgrade:
            fields = (b"%b: %b\r\n" % each for each in self._fields if each[0].lower() in _FRAMING)
            self._parser = HttpRequestParser(self)
            self._parser.feed_data(b"".join([b"POST / HTTP/1.1\r\n", *fields, _LINE_END]))

    # llhttp accepts only ASCII (RFC 3986), but some programs send raw UTF-8.
    def _with_ascii_url(self, piece: bytes) -> bytes:
        line, end, rest = piece.partition(b"\n")
        self._is_in_request_line = not end
        if line.isascii():
            return piece
        escaped = "".join(chr(c) if c < 0x80 else f"%{c:02X}" for c in line)
        return escaped.encode("ascii") + end + rest

    # llhttp does not report chunk extensions, but all that is neither body nor framing is one.
    def _check_chunk_overhead(self) -> None:
        overhead = self._chunked_bytes - self._body_bytes - self._chunks * _LEAST_CHUNK_FRAMING
        if overhead <= MAX_CHUNK_OVERHEAD_BYTES:
            return
        # At most, since a logarithm is concave: all chunks of the same size have most digits.
        digits = self._chunks * math.log(max(self._body_bytes / max(self._chunks, 1), 1), 16)
        if overhead > MAX_CHUNK_OVERHEAD_BYTES + digits:
            raise BadRequest(
                f"chunk extensions and trailer fields are over {MAX_CHUNK_OVERHEAD_BYTES} bytes: "
                "leave them out"
            )

    def on_message_begin(self) -> None:
        """Begin a request (called by httptools, like all `on_` methods)."""
        self.is_in_request = True

    def on_url(self, piece: bytes) -> None:
        """Collect a piece of the URL."""
        if not self._is_upgrading:
            self._url += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header field; ignore trailer fields."""
        if not (self._is_upgrading or self._is_in_body):
            self._fields.append((name, value))
            if len(self._fields) > MAX_HEAD_FIELDS:
                text = f"the request head has over {MAX_HEAD_FIELDS} header fields: send fewer"
                self._failure = HeadTooLarge(text)
                raise self._failure

    def on_headers_complete(self) -> None:
        """Report the head."""
        if self._is_upgrading:
            self._is_upgrading = False
            return
        try:
            self._report_head()
        except BadRequest as failure:
            self._failure = failure
            raise

    def _report_head(self) -> None:
        parser = self._parser
        version = parser.get_http_version()
        if version not in _VERSIONS:
            raise BadRequest(f"this is not HTTP/1.1, but HTTP/{version}")
        fields = HeaderFields(self._fields)
        self._body_bytes_left = _checked_length(fields, version)
        self._is_in_body = True
        self._is_upgrading = parser.should_upgrade()
        start_line = RequestStartLine(
            parser.get_method().decode("ascii"), self._url.decode("ascii"), f"HTTP/{version}"
        )
        self._callbacks.head_received(start_line, fields, keep_alive=parser.should_keep_alive())

    def on_chunk_header(self) -> None:
        """Count a chunk."""
        self._chunks += 1

    def on_body(self, piece: bytes) -> None:
        """Report a piece of the body."""
        self._body_bytes += len(piece)
        self._callbacks.body_received(piece)

    def on_message_complete(self) -> None:
        """Report the end of the request, and prepare for the next one."""
        if self._is_upgrading:
            return
        try:
            if self._chunked_bytes:
                self._check_chunk_overhead()
        except BadRequest as failure:
            self._failure = failure
            raise
        self._start_request()
        self._callbacks.request_completed()


def _checked_length(fields: HeaderFields, version: str) -> int:
    """Return the Content-Length, 0 if there is none; BadRequest if the framing is not safe."""
    repeated = fields.repeated(_CHECKED)
    if repeated is not None:
        raise BadRequest(f"the request has two {repeated.decode()} fields: send one")
    found = fields.by_name
    host, coding = found.get(b"host"), found.get(b"transfer-encoding")
    if host is None and version == "1.1":
        raise BadRequest("the request has no Host field: send one")
    if host is not None and _LONG_PORT.search(host):
        raise BadRequest("the port in the Host field is not a port")
    length = found.get(b"content-length", b"0")
    if _LENGTH.fullmatch(length) is None:
        raise BadRequest("the Content-Length is not a number of up to 18 digits")
    if coding is not None:
        _check_coding(coding, version, has_length=b"content-length" in found)
    return int(length)


def _check_coding(coding: bytes, version: str, *, has_length: bool) -> None:
    if has_length:
        raise BadRequest("the request has a Content-Length and a Transfer-Encoding: send one")
    if version == "1.0":
        raise BadRequest("the request is HTTP/1.0 and has a Transfer-Encoding: use HTTP/1.1")
    if coding.lower() != b"chunked":
        raise BadRequest("the Transfer-Encoding is not chunked: use that, or a Content-Length")
