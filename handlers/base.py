"""What every answer has in common: request id, CORS headers, JSON, one form of error."""

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
from http1.activity import Activity, Connection
from logs.events import get_logger

_log = get_logger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@stream_request_body
class BaseHandler(RequestHandler):
    """A handler whose body, if it has one, is discarded.

    `RequestHandler.__init__` calls `set_default_headers` before `initialize`, and `send_error`
    calls it again; so the request id, the CORS decision and the client's address are found
    there, once, from what stands in the application's settings.
    """

    request_id: str = ""

    @property
    def cors_policy(self) -> CorsPolicy:
        """Which origins may read an answer."""
        policy: CorsPolicy = self.settings["cors_policy"]
        return policy

    def initialize(self, activity: Activity) -> None:
        """Take the dependencies."""
        self.activity = activity
        self.log_fields: dict[str, object] = {}
        self.received_bytes = 0
        self.closes_connection = False
        self.is_disconnected = False
        self.is_reading = False

    def clear(self) -> None:
        """Begin an answer, as Tornado does, without a header that says which server this is.

        Tornado's own formats the date anew for each request, at 3 % of its cost.
        """
        self._headers = HTTPHeaders()
        self._headers["Date"] = _http_date(int(time.time()))
        self.set_default_headers()
        self._write_buffer = []
        self._status_code = 200
        self._reason = responses[200]

    def set_default_headers(self) -> None:
        """Put what every answer has on this one, errors included.

        No cache keeps the answer to a POST (RFC 9111, section 2), and no browser shows one.
        """
        if not self.request_id:
            self._identify()
        # Not by set_header, which looks at each value for what none of these can have.
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
        self.cors: CorsDecision = self.cors_policy.decide(self.header("Origin"))
        given = self.header("X-Request-Id")
        if given and addresses.trusts(peer) and _REQUEST_ID.fullmatch(given):
            self.request_id = given
        else:
            self.request_id = f"{getrandbits(64):016x}"

    @property
    def connection(self) -> Connection:
        """Where the request came in."""
        return cast(Connection, self.request.connection)

    def prepare(self) -> None:
        """Count the request; the log hears of the CORS decision if it is asked for."""
        # Its client may have left before its turn came: then it has ended already.
        if not self.is_disconnected:
            self.activity.begin(self)
        self.is_reading = True
        if self.activity.draining:
            self.set_header("Connection", "close")
        if self.settings["cors_debug"]:
            self._log_cors()

    def header(self, name: str) -> str | None:
        """A header of the request, several of one name joined by commas; None if it is absent.

        Asking HTTPHeaders for one that is absent raises and catches a KeyError each time.
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
        """Discard a piece of a body that nobody asked for, up to what is worth reading."""
        self.received_bytes += len(chunk)
        if self.received_bytes > DISCARDED_BYTES and not self._finished:
            self.closes_connection = True
            self.send_error(exc_info=(ApiError, body_too_large(DISCARDED_BYTES), None))

    def on_finish(self) -> None:
        """Stop counting the request."""
        self.activity.end(self)

    def on_connection_close(self) -> None:
        """Stop counting the request: nobody waits for its answer."""
        super().on_connection_close()
        self.is_disconnected = True
        self.on_finish()

    def compute_etag(self) -> None:
        """Give no ETag: no answer is worth keeping."""

    def respond(self, status: int, body: dict[str, object]) -> None:
        """Answer with JSON."""
        self.send(status, orjson.dumps(body) + b"\n")

    def send(self, status: int, body: bytes | None) -> None:
        """Answer; the last answer of a connection says so."""
        self.set_status(status)
        if self.closes_connection or self.activity.draining:
            self.set_header("Connection", "close")
        self.finish(body)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with the one form of an error, whatever it was."""
        _, cause, _ = kwargs.get("exc_info", (None, None, None))
        error = as_api_error(cause, status_code)
        self.log_fields = {"code": error.kind.code, "message": error.message}
        if error.kind.code == "method_not_allowed":
            self.set_header("Allow", ", ".join(self.methods()))
        if error.retry_after_s is not None:
            self.set_header("Retry-After", str(error.retry_after_s))
        self.respond_error(error)

    def respond_error(self, error: ApiError) -> None:
        """Answer with an error's JSON."""
        self.respond(error.status_code, error_body(error, self.request_id))

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log what was not foreseen; the request's own line tells of the rest."""
        if not isinstance(value, HTTPError):
            _log.error("request failed", request_id=self.request_id, exc_info=value)

    @classmethod
    def methods(cls) -> list[str]:
        """The methods this path takes, for `Allow`."""
        own = (name for name in cls.SUPPORTED_METHODS if _is_implemented(cls, name.lower()))
        return sorted(own)


@lru_cache(maxsize=1)
def _http_date(second: int) -> str:
    return format_timestamp(second)


def _is_implemented(handler: type[RequestHandler], name: str) -> bool:
    return getattr(handler, name) is not getattr(RequestHandler, name)


class NotFoundHandler(BaseHandler):
    """Whatever has no route."""

    def prepare(self) -> None:
        """Answer 404, with every method."""
        super().prepare()
        raise ApiError("not_found", f"there is nothing at {self.request.path}")
