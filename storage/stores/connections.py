"""The HTTP connections of the S3 client, which accept only what S3 would respond, within bounds.

Both ways to put an object, `put_object` and `small_put`, send their requests through here.

Invariants:

- A PUT succeeds only with the response that S3 sends for a stored object, which is status 200, an
  ETag and no body. Whatever else responds at the endpoint, such as a proxy's login page, has stored
  nothing. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
- A request and its response take at most `deadline_s(size)` seconds, from the connection to the
  last byte. Without it, a response of one header field every few seconds would never time out.
- At most `max_get_bytes` of an object, and `_MAX_BODY_BYTES` of any other response, are in memory.
"""

import io
from functools import partial
from http.client import RemoteDisconnected
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from botocore.exceptions import BotoCoreError, HTTPClientError

from storage.stores.deadlines import Deadlines

_OK = 200
_FIRST_REDIRECT_STATUS = 301
_REDIRECT_STATUSES = range(_FIRST_REDIRECT_STATUS, 400)
# S3's ETags are strong. Web frameworks add weak ones to any response (RFC 9110, section 8.8.3).
_WEAK = "W/"

# An error of S3 has less than 2 KiB.
_MAX_BODY_BYTES = 64 * 1024

_DEADLINE_S = 60.0
# Slower than any link that could deliver events at the rate at which they come in.
_MIN_BYTES_PER_S = 8 * 1024

_MAX_FIELDS = 100
_MAX_LINE_BYTES = 64 * 1024


def deadline_s(size: int) -> float:
    """Return the seconds after which a request with a body of `size` bytes is given up."""
    return _DEADLINE_S + size / _MIN_BYTES_PER_S


class NotAcknowledged(BotoCoreError):  # type: ignore[misc]
    """A response to a PUT that is neither an error nor an acknowledgement by S3."""

    fmt = (
        "the endpoint responded to a PUT with status {status} and {problem}, as S3 never does, so "
        "the object does not count as stored"
    )


class UnexpectedRedirect(BotoCoreError):  # type: ignore[misc]
    """A redirect by something that is not S3, which names the region of the bucket."""

    fmt = "the endpoint redirects to {location} without naming a region, as S3 never does"


class DeadlineExceeded(HTTPClientError):  # type: ignore[misc]
    """A request whose response was not complete in time."""

    fmt = "the endpoint sent no complete response within {seconds:.0f} s"


class Connections:
    """The connections of one client, in place of the `http_session` of botocore that they use."""

    def __init__(self, session: Any, deadlines: Deadlines, max_get_bytes: int) -> None:
        self._session = session
        self._max_get_bytes = max_get_bytes
        self._deadlines = deadlines
        pools = {
            "http": partial(_HTTPPool, deadlines),
            "https": partial(_HTTPSPool, deadlines),
        }
        session._pool_classes_by_scheme = pools
        session._manager.pool_classes_by_scheme = pools

    def send(self, request: Any) -> Any:
        """Send a prepared request and return its response, with a bounded part of its body.

        Raises NotAcknowledged, UnexpectedRedirect, DeadlineExceeded, or what botocore's session
        raises.
        """
        response = self._exchange(request)
        if request.method == "PUT" and response.status_code < _FIRST_REDIRECT_STATUS:
            _require_acknowledgement(response)
        # The client asks for the bucket's region after a redirect, and after a redirect of that
        # request asks again, until its stack overflows.
        if request.method == "HEAD" and response.status_code in _REDIRECT_STATUSES:
            _require_region(response)
        return response

    def _exchange(self, request: Any) -> Any:
        seconds = deadline_s(int(request.headers.get("Content-Length", 0)))
        # The session does not read the body then.
        request.stream_output = True
        with self._deadlines.exchange(seconds) as exchange:
            try:
                response = self._session.send(request)
                is_object = request.method == "GET" and response.status_code == _OK
                _read_body(response, self._max_get_bytes if is_object else _MAX_BODY_BYTES)
            except Exception as error:
                if exchange.has_expired:
                    raise DeadlineExceeded(seconds=seconds) from error
                raise
        if exchange.has_expired:
            raise DeadlineExceeded(seconds=seconds)
        return response

    def close(self) -> None:
        """Close all idle connections."""
        self._session.close()


def _read_body(response: Any, max_bytes: int) -> None:
    raw = response.raw
    try:
        body = raw.read(max_bytes + 1)
        if len(body) > max_bytes:
            # The connection cannot be used again without reading the rest.
            raw.close()
        raw.release_conn()
    except Exception as error:
        raise HTTPClientError(error=error) from error
    response._content = body[:max_bytes]
    response.raw = io.BytesIO(response._content)


def _require_acknowledgement(response: Any) -> None:
    etag = response.headers.get("ETag", "").strip()
    problem = None
    if response.status_code != _OK:
        problem = "not 200"
    elif not etag:
        problem = "no ETag"
    elif etag.startswith(_WEAK):
        problem = "a weak ETag"
    elif response.content:
        problem = "a body"
    if problem is not None:
        raise NotAcknowledged(status=response.status_code, problem=problem)


def _require_region(response: Any) -> None:
    if "x-amz-bucket-region" not in response.headers:
        raise UnexpectedRedirect(location=response.headers.get("Location", "nowhere"))


class _Watched:
    """A mixin for connections that reports their sockets to the deadlines."""

    def __init__(self, deadlines: Deadlines, *args: Any, **options: Any) -> None:
        self._deadlines = deadlines
        super().__init__(*args, **options)

    def connect(self) -> None:
        """Connect, as part of the exchange."""
        super().connect()  # type: ignore[misc]
        self._deadlines.use(self.sock)  # type: ignore[attr-defined]

    def request(self, *args: Any, **options: Any) -> None:
        """Send a request over a new connection or one that was kept."""
        self._deadlines.use(self.sock)  # type: ignore[attr-defined]
        super().request(*args, **options)  # type: ignore[misc]

    def _consume_headers(self, fp: Any) -> None:
        # botocore's own loop never ends if the connection does.
        for _ in range(_MAX_FIELDS):
            line = fp.readline(_MAX_LINE_BYTES)
            if line == b"\r\n":
                return
            if not line.endswith(b"\n"):
                break
        raise RemoteDisconnected("no end of the header of a 100 Continue response")


class _HTTPConnection(_Watched, AWSHTTPConnection):  # type: ignore[misc]
    pass


class _HTTPSConnection(_Watched, AWSHTTPSConnection):  # type: ignore[misc]
    pass


class _HTTPPool(AWSHTTPConnectionPool):  # type: ignore[misc]
    def __init__(self, deadlines: Deadlines, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.ConnectionCls = partial(_HTTPConnection, deadlines)


class _HTTPSPool(AWSHTTPSConnectionPool):  # type: ignore[misc]
    def __init__(self, deadlines: Deadlines, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.ConnectionCls = partial(_HTTPSConnection, deadlines)
