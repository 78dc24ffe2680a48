"""Bytes to HTTP/1.1 requests (RFC 9112), without a socket and without an application.

llhttp, the parser of Node, does the reading; httptools brings it to Python. What is decided here
is what llhttp leaves open: how long a head may be, what becomes of an `Upgrade` that nobody
speaks, of fields behind a body, and of a URL that should have been percent-encoded.

Invariant: of a request that is not whole, at most `MAX_HEAD_BYTES` and one piece of input are
held, its body aside, which is handed on as it comes.
"""

from typing import Protocol

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser
from tornado.httputil import HTTPHeaders, RequestStartLine

MAX_HEAD_BYTES = 64 * 1024

_LINE_END = b"\r\n"
_VERSIONS = frozenset({"1.0", "1.1"})
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


class NotHttp(ValueError):
    """What came is no HTTP/1.1 request; the message says what is wrong. Nothing after it counts."""


class Taker(Protocol):
    """Who hears of requests, each from its head over its body to its end, one after the other."""

    def head_read(
        self, start_line: RequestStartLine, headers: HTTPHeaders, *, keeps_alive: bool
    ) -> None:
        """A request begins; unless it `keeps_alive`, the client wants no other answer after it."""

    def body_read(self, piece: bytes) -> None:
        """A piece of the request's body."""

    def request_read(self) -> None:
        """The request is whole."""


class RequestReader:
    """Reads requests out of pieces of any size."""

    def __init__(self, taker: Taker) -> None:
        self._taker = taker
        self._parser = HttpRequestParser(self)
        self._url = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._unused_bytes = 0
        self._is_in_body = False
        self._is_in_first_line = True
        self._has_ended_one = False
        self._upgrades = False

    def feed(self, data: bytes) -> None:
        """Read on. NotHttp if that is not possible."""
        if self._is_in_first_line:
            data = self._with_plain_url(data)
        self._has_ended_one = False
        self._unused_bytes += len(data)
        try:
            while data:
                data = self._parse(data)
        except HttpParserCallbackError as error:
            raise error.__context__ or error from None
        except HttpParserError as error:
            raise NotHttp(f"this is not HTTP/1.1: {error}") from None
        if self._unused_bytes > MAX_HEAD_BYTES:
            raise _too_long()

    # A server may go on as if there were no Upgrade (RFC 9110, section 7.8). llhttp hands the
    # connection over at the end of the head instead, so another parser reads the body.
    def _parse(self, data: bytes) -> bytes:
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as stopped:
            fields = (b"%b: %b\r\n" % each for each in self._fields if each[0].lower() in _FRAMING)
            self._parser = HttpRequestParser(self)
            self._parser.feed_data(b"".join([b"POST / HTTP/1.1\r\n", *fields, _LINE_END]))
            return data[stopped.args[0] :]
        return b""

    # llhttp takes ASCII alone (RFC 3986); some programs send raw UTF-8.
    def _with_plain_url(self, data: bytes) -> bytes:
        if self._unused_bytes == 0:
            data = data.lstrip(_LINE_END)
        line, end, rest = data.partition(b"\n")
        self._is_in_first_line = not end
        if line.isascii():
            return data
        escaped = "".join(chr(c) if c < 0x80 else f"%{c:02X}" for c in line)
        return escaped.encode("ascii") + end + rest

    def on_message_begin(self) -> None:
        """Hear from the parser that a request begins."""
        # Behind another one in the same piece of input, its first line is read already.
        if self._has_ended_one:
            self._is_in_first_line = False

    def on_url(self, piece: bytes) -> None:
        """Hear of a piece of the URL."""
        if not self._upgrades:
            self._url += piece
            self._count(len(piece))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Hear of a field. One behind the body is nothing that anybody asked for."""
        if not (self._upgrades or self._is_in_body):
            self._fields.append((name, value))
            self._count(len(name) + len(value))

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise _too_long()

    def on_headers_complete(self) -> None:
        """Hear that the head is whole."""
        self._unused_bytes = 0
        if self._upgrades:
            self._upgrades = False
            return
        parser = self._parser
        version = parser.get_http_version()
        if version not in _VERSIONS:
            raise NotHttp(f"this is not HTTP/1.1, but HTTP/{version}")
        self._is_in_body = True
        self._upgrades = parser.should_upgrade()
        start_line = RequestStartLine(
            parser.get_method().decode("ascii"), self._url.decode("ascii"), f"HTTP/{version}"
        )
        headers = _headers(self._fields)
        self._taker.head_read(start_line, headers, keeps_alive=parser.should_keep_alive())

    def on_body(self, piece: bytes) -> None:
        """Hear of a piece of the body."""
        self._unused_bytes = 0
        self._taker.body_read(piece)

    def on_message_complete(self) -> None:
        """Hear that the request is whole."""
        if self._upgrades:
            return
        self._unused_bytes = 0
        self._head_bytes = 0
        self._url = b""
        self._fields = []
        self._is_in_body = False
        self._is_in_first_line = True
        self._has_ended_one = True
        self._taker.request_read()


def _headers(fields: list[tuple[bytes, bytes]]) -> HTTPHeaders:
    """Fields for Tornado, which takes each byte for a character. llhttp has checked them."""
    headers = HTTPHeaders()
    for raw_name, raw_value in fields:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1").rstrip(" \t")
        if name in headers:
            headers.add(name, value)
        else:
            headers[name] = value
    return headers


def _too_long() -> NotHttp:
    return NotHttp(f"the request's head is over {MAX_HEAD_BYTES} bytes")
