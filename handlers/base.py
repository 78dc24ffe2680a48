"""The base of all handlers: request ids, CORS headers, JSON responses, one form of error."""

import time
from http.client import responses
from types import TracebackType
from typing import Any, cast

from tornado.httputil import HTTPHeaders
from tornado.web import HTTPError, RequestHandler, stream_request_body

from handlers.body import DISCARDED_BYTES, body_too_large
from handlers.errors import ApiError, as_api_error
from handlers.head import HeadRules, facts_from_headers
from handlers.reply import error_reply, json_body, log_defect
from http1.activity import Activity
from http1.handler_connection import HandlerConnection
from logs.events import get_logger
from validation.problems import excerpt

_log = get_logger(__name__)


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
    def head_rules(self) -> HeadRules:
        """The rules for the heads of requests and responses."""
        rules: HeadRules = self.settings["head_rules"]
        return rules

    def initialize(self, activity: Activity) -> None:
        """Take the dependencies."""
        self.activity = activity
        self.log_fields: dict[str, object] = {}
        self.received_bytes = 0
        self.closes_connection = False

    def clear(self) -> None:
        """Reset the response, as Tornado does, but without a Server header."""
        self._headers = HTTPHeaders()
        self.set_default_headers()
        self._write_buffer = []
        self._status_code = 200
        self._reason = responses[200]

    def set_default_headers(self) -> None:
        """Set the headers of every response, errors included."""
        if not self.request_id:
            self._identify()
        # set_header would search each value for control characters, which none of these has.
        headers = self._headers
        rules, now = self.head_rules, time.time()
        for name, value in rules.response_headers(self.facts.method, self.identity, now):
            headers[name] = value

    def _identify(self) -> None:
        request = self.request
        self.facts = facts_from_headers(
            request.method or "", request.path, request.remote_ip or "", self.header
        )
        self.identity = self.head_rules.identify(self.facts)
        self.request_id, self.client_address, self.cors = self.identity

    def prepare(self) -> None:
        """Log the CORS decision if CORS_DEBUG is on."""
        cast(HandlerConnection, self.request.connection).set_timeout_callback(self.time_out)
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
        self.send(status, json_body(body))

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
        reply = error_reply(error, self.request_id)
        self.log_fields = reply.log_fields
        if error.kind.code == "method_not_allowed":
            self.set_header("Allow", ", ".join(self.methods()))
        for name, value in reply.headers:
            self.set_header(name, value)
        self.respond_error(error)

    def respond_error(self, error: ApiError) -> None:
        """Send an error as JSON."""
        self.respond(error.status_code, error_reply(error, self.request_id).body)

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log an unexpected exception; the access log has the HTTP errors."""
        if not isinstance(value, HTTPError):
            log_defect(value, self.request_id)

    @classmethod
    def methods(cls) -> list[str]:
        """Return the methods that the handler implements, for `Allow`."""
        own = (name for name in cls.SUPPORTED_METHODS if _is_implemented(cls, name.lower()))
        return sorted(own)


def _is_implemented(handler: type[RequestHandler], name: str) -> bool:
    return getattr(handler, name) is not getattr(RequestHandler, name)


class NotFoundHandler(BaseHandler):
    """The handler of paths without a route."""

    def prepare(self) -> None:
        """Raise the 404, for every method."""
        super().prepare()
        path = excerpt(self.request.path)
        raise ApiError("not_found", f"there is no endpoint at {path}: check the URL")
