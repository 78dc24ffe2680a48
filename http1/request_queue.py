"""The requests of one connection, in the order in which they arrive.

Invariant: no more than one piece of input is parsed ahead of the first request. The rest is kept
as bytes, which take far less memory than parsed requests.
"""

from collections import deque
from dataclasses import dataclass, field

from tornado.httputil import HTTPHeaders, RequestStartLine

from http1.parser import NotHttp, RequestReader

# So much is parsed at once; a client may put hundreds of requests into it.
_PIECE_BYTES = 16 * 1024


@dataclass(slots=True)
class Request:
    """A request, as far as it has arrived; `body` is what was not handed on yet."""

    start_line: RequestStartLine
    headers: HTTPHeaders
    keeps_alive: bool
    body: list[bytes] = field(default_factory=list)
    is_whole: bool = False

    @property
    def waits_for_continue(self) -> bool:
        """True if the client sends the body once it is told to (RFC 9110, section 10.1.1)."""
        asked = self.headers.get("Expect", "").lower() == "100-continue"
        return asked and self.start_line.version == "HTTP/1.1"


class RequestQueue:
    """Parses bytes into `requests`, of which only the last may be incomplete.

    `failure` is set when what a client sends is not HTTP: nothing is parsed after it, and a
    request that it cut off is dropped. It concerns the requests before it in no way.
    """

    def __init__(self) -> None:
        self.requests: deque[Request] = deque()
        self.failure: NotHttp | None = None
        self._reader = RequestReader(self)
        self._unread = b""

    @property
    def is_full(self) -> bool:
        """True while there is more than the first request."""
        return len(self.requests) > 1 or self._unread != b""

    def add(self, data: bytes) -> None:
        """Take bytes, to be parsed by `read`."""
        self._unread += data

    def read(self) -> None:
        """Parse until there is a second request, or nothing left."""
        while self._unread and len(self.requests) <= 1 and self.failure is None:
            piece, self._unread = self._unread[:_PIECE_BYTES], self._unread[_PIECE_BYTES:]
            try:
                self._reader.feed(piece)
            except NotHttp as failure:
                self._fail(failure)

    def _fail(self, failure: NotHttp) -> None:
        self.failure, self._unread = failure, b""
        if self.requests and not self.requests[-1].is_whole:
            self.requests.pop()

    def clear(self) -> None:
        """Drop all requests and bytes."""
        self.requests.clear()
        self._unread = b""

    def head_read(
        self, start_line: RequestStartLine, headers: HTTPHeaders, *, keeps_alive: bool
    ) -> None:
        """See `Taker.head_read`."""
        self.requests.append(Request(start_line, headers, keeps_alive))

    def body_read(self, piece: bytes) -> None:
        """See `Taker.body_read`."""
        self.requests[-1].body.append(piece)

    def request_read(self) -> None:
        """See `Taker.request_read`."""
        self.requests[-1].is_whole = True
