"""The requests of one connection, in the order in which they arrive.

Invariants:

- At most `_PARSE_BYTES` beyond the first request are parsed. The rest stays bytes, which take far
  less memory than parsed requests.
- A body has a piece for every `_PARSE_BYTES` or every call of `add`, however small its chunks are.
"""

from collections import deque
from dataclasses import dataclass, field

from tornado.httputil import RequestStartLine

from http1.activity import Part, Progress
from http1.fields import HeaderFields
from http1.parser import BadRequest, RequestParser

# The most that is parsed at once. It may hold hundreds of requests.
_PARSE_BYTES = 16 * 1024


@dataclass(slots=True)
class Request:
    """A request, as far as it has arrived; `body` is the part that was not passed on yet."""

    start_line: RequestStartLine
    fields: HeaderFields
    keep_alive: bool
    body: list[bytes] = field(default_factory=list)
    is_complete: bool = False

    @property
    def waits_for_continue(self) -> bool:
        """True if the client sends the body once it is told to (RFC 9110, section 10.1.1)."""
        asked = self.fields.as_headers().get("Expect", "").lower() == "100-continue"
        return asked and self.start_line.version == "HTTP/1.1"


class RequestQueue:
    """Parses bytes into `requests`, of which only the last may be incomplete.

    `failure` is set once the client sends something that is not HTTP. Then nothing more is parsed
    and an incomplete request is dropped; the requests before it stay. `begun` counts all requests.
    """

    def __init__(self) -> None:
        self.requests: deque[Request] = deque()
        self.failure: BadRequest | None = None
        self._parser = RequestParser(self)
        self._unparsed = b""
        self.begun = 0
        self._body_bytes = 0
        # Of the body of the last request, from what is being parsed.
        self._pieces: list[bytes] = []

    @property
    def is_full(self) -> bool:
        """True while there is more than the first request."""
        return len(self.requests) > 1 or self._unparsed != b""

    @property
    def unparsed_bytes(self) -> int:
        """The number of bytes that wait to be parsed."""
        return len(self._unparsed)

    @property
    def is_empty(self) -> bool:
        """True if every byte that was added belongs to a request that was taken out."""
        return not (self.requests or self._unparsed or self.failure or self._parser.is_in_request)

    def begins_with(self, request: Request) -> bool:
        """Return True if this very request is the first one."""
        return bool(self.requests) and self.requests[0] is request

    @property
    def progress(self) -> Progress | None:
        """The progress of the first request; None if it is complete, or nothing of it is there."""
        if self.requests:
            if self.requests[0].is_complete:
                return None
            return Progress(Part.BODY, self.begun, self._body_bytes)
        if self._parser.is_in_request:
            return Progress(Part.HEAD, self.begun, 0)
        return None

    def add(self, data: bytes) -> None:
        """Append bytes, to be parsed by `parse`."""
        self._unparsed += data

    def parse(self) -> None:
        """Parse until there is a second request or no bytes are left."""
        while self._unparsed and len(self.requests) <= 1 and self.failure is None:
            piece, self._unparsed = self._unparsed[:_PARSE_BYTES], self._unparsed[_PARSE_BYTES:]
            try:
                self._parser.feed(piece)
            except BadRequest as failure:
                self._fail(failure)
            else:
                self._join_pieces()

    def _fail(self, failure: BadRequest) -> None:
        self.failure, self._unparsed, self._pieces = failure, b"", []
        if self.requests and not self.requests[-1].is_complete:
            self.requests.pop()

    def clear(self) -> None:
        """Drop all requests and bytes."""
        self.requests.clear()
        self._unparsed = b""

    def head_received(
        self, start_line: RequestStartLine, fields: HeaderFields, *, keep_alive: bool
    ) -> None:
        """See `RequestCallbacks.head_received`."""
        self.requests.append(Request(start_line, fields, keep_alive))
        self.begun += 1
        self._body_bytes = 0

    def body_received(self, piece: bytes) -> None:
        """See `RequestCallbacks.body_received`."""
        self._pieces.append(piece)
        self._body_bytes += len(piece)

    # A chunk of two bytes takes 20 times its size in memory, and would be a call to the handler.
    def _join_pieces(self) -> None:
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            self.requests[-1].body.append(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def request_completed(self) -> None:
        """See `RequestCallbacks.request_completed`."""
        self._join_pieces()
        self.requests[-1].is_complete = True
