"""The base of all handlers: request ids, CORS headers, JSON responses, one form of error."""

import re
import time
from functools import lru_cache
from http.client import responses
from random import getrandbits
from types import TracebackType
from typing import Any, cast

import orjson
from tornado.httputil import HTTPHeaders, format_timestamp
from tornado.web import HTTPError, RequestHandler, stream_request_body

from handlers.body import DISCARDED_BYTES, body_too_large
from handlers.client_address import AddressResolver
from handlers.cors import CorsDecision, CorsPolicy
from handlers.errors import ApiError, as_api_error, error_body
from http1.activity import Activity
from http1.connection import ClientConnection
from logs.events import get_logger
from validation.problems import excerpt

_log = get_logger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@stream_request_body
class BaseHandler(RequestHandler):
    """A handler that discards the request's body, if there is one.

    `RequestHandler.__init__` calls `set_default_headers` before `initialize`, and `send_error`
    calls it again. So the request id, the CORS decision and the client's address are determined
    there, on the first call, from the application's settings.

    `closes_connection` announces that this response is the last of its connection.
    """

    request_id: str = ""

    @property
    def cors_policy(self) -> CorsPolicy:
        """The policy on origins that may read a response."""
        policy: CorsPolicy = self.settings["cors_policy"]
        return policy

    def initialize(self, activity: Activity) -> None:
        """Take the dependencies."""
        self.activity = activity
        self.log_fields: dict[str, object] = {}
        self.received_bytes = 0
        self.closes_connection = False

    def clear(self) -> None:
        """Reset the response, as Tornado does, but without a Server header.

        Tornado formats the date again for each request, which is 3 % of a request's cost.
        """
        self._headers = HTTPHeaders()
        self._headers["Date"] = _http_date(int(time.time()))
        self.set_default_headers()
        self._write_buffer = []
        self._status_code = 200
        self._reason = responses[200]

    def set_default_headers(self) -> None:
        """Set the headers of every response, errors included.

        No cache keeps the response to a POST (RFC 9111, section 2), and no browser displays one.
        """
        if not self.request_id:
            self._identify()
        # set_header would search each value for control characters, which none of these has.
        headers = self._headers
        headers["Content-Type"] = "application/json"
        if self.request.method != "POST":
            headers["Cache-Control"] = "no-store"
            headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Request-Id"] = self.request_id
        for name, value in self.cors_policy.response_headers(self.cors):
            headers[name] = value

    def _identify(self) -> None:
        addresses: AddressResolver = self.settings["addresses"]
        peer = self.request.remote_ip or ""
        self.client_address = addresses.resolve(
            peer, self.request.headers.get_list("X-Forwarded-For"), self.header("X-Real-Ip")
        )
        origin = self.header("Origin")
        own_hosts = () if origin is None else self.own_hosts()
        self.cors: CorsDecision = self.cors_policy.decide(origin, own_hosts)
        given = self.header("X-Request-Id")
        if given and addresses.trusts(peer) and _REQUEST_ID.fullmatch(given):
            self.request_id = given
        else:
            self.request_id = f"{getrandbits(64):016x}"

    def own_hosts(self) -> list[str]:
        """Return the names under which the request reached the server.

        They are the Host header and, from a trusted proxy, the entries of X-Forwarded-Host.
        """
        addresses: AddressResolver = self.settings["addresses"]
        names = self.request.headers.get_list("Host")
        if addresses.trusts(self.request.remote_ip or ""):
            names = [*names, *self.request.headers.get_list("X-Forwarded-Host")]
        return [name.strip() for each in names for name in each.split(",")]

    def prepare(self) -> None:
        """Log the CORS decision if CORS_DEBUG is on."""
        cast(ClientConnection, self.request.connection).set_timeout_callback(self.time_out)
        if self.settings["cors_debug"]:
            self._log_cors()

    def header(self, name: str) -> str | None:
        """Return a request header, fields of the same name joined by commas; None if absent.

        `HTTPHeaders.get` raises and catches a KeyError for each absent header.
        """
        values = self.request.headers.get_list(name)
        return ",".join(values) if values else None

    def _log_cors(self) -> None:
        _log.info(
            "cors decision",
            origin=self.header("Origin"),
            allowed=self.cors.allowed,
            reason=self.cors.reason,
            method=self.request.method,
            path=self.request.path,
            request_id=self.request_id,
        )

    def data_received(self, chunk: bytes) -> None:
        """Discard a chunk of the body; respond with 413 once it is over DISCARDED_BYTES."""
        self.received_bytes += len(chunk)
        if self.received_bytes > DISCARDED_BYTES and not self._finished:
            self._fail_early(body_too_large(DISCARDED_BYTES))

    def time_out(self) -> None:
        """Respond with 408 to a body that arrives too slowly."""
        message = "the body arrived too slowly: retry with a faster connection or a smaller body"
        self._fail_early(ApiError("request_timeout", message))

    def _fail_early(self, error: ApiError) -> None:
        """Respond before the body is complete."""
        self.closes_connection = True
        self.send_error(exc_info=(ApiError, error, None))
        # Ends the coroutine that waits for the body.
        RequestHandler.on_connection_close(self)

    def on_connection_close(self) -> None:
        """Finish the request: its client has disconnected."""
        super().on_connection_close()
        self.on_finish()

    def compute_etag(self) -> None:
        """Set no ETag: clients cache none of these responses."""

    def respond(self, status: int, body: dict[str, object]) -> None:
        """Send a JSON response."""
        self.send(status, orjson.dumps(body) + b"\n")

    def send(self, status: int, body: bytes | None) -> None:
        """Send a response, with `Connection: close` if it is the last of its connection."""
        self.set_status(status)
        if self.closes_connection:
            self.set_header("Connection", "close")
        self.finish(body)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Send any error in the one form of errors."""
        _, cause, _ = kwargs.get("exc_info", (None, None, None))
        error = as_api_error(cause, status_code)
        self.log_fields = {"code": error.kind.code, "message": error.message}
        if error.kind.code == "method_not_allowed":
            self.set_header("Allow", ", ".join(self.methods()))
        if error.retry_after_s is not None:
            self.set_header("Retry-After", str(error.retry_after_s))
        self.respond_error(error)

    def respond_error(self, error: ApiError) -> None:
        """Send an error as JSON."""
        self.respond(error.status_code, error_body(error, self.request_id))

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log an unexpected exception; the access log has the HTTP errors."""
        if not isinstance(value, HTTPError):
            _log.error("request failed", request_id=self.request_id, exc_info=value)

    @classmethod
    def methods(cls) -> list[str]:
        """Return the methods that the handler implements, for `Allow`."""
        own = (name for name in cls.SUPPORTED_METHODS if _is_implemented(cls, name.lower()))
        return sorted(own)


@lru_cache(maxsize=1)
def _http_date(second: int) -> str:
    return format_timestamp(second)


def _is_implemented(handler: type[RequestHandler], name: str) -> bool:
    return getattr(handler, name) is not getattr(RequestHandler, name)


class NotFoundHandler(BaseHandler):
    """The handler of paths without a route."""

    def prepare(self) -> None:
        """Raise the 404, for every method."""
        super().prepare()
        path = excerpt(self.request.path)
        raise ApiError("not_found", f"there is no endpoint at {path}: check the URL")
