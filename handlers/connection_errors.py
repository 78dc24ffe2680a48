"""Error responses for connections on which there is no request to handle."""

from http.client import responses

import orjson

from handlers.errors import ApiError, error_body
from http1.response import encode_head


class ConnectionErrors:
    """The project's one form of an error, as whole responses that end their connection.

    Implements `http1.response.ErrorResponses`.
    """

    def bad_request(self, message: str, request_id: str) -> bytes:
        """Return the response to bytes that are not an HTTP request."""
        return _response(ApiError("bad_request", message), request_id)

    def head_too_large(self, message: str, request_id: str) -> bytes:
        """Return the response to a request head that is over a limit."""
        return _response(ApiError("head_too_large", message), request_id)

    def request_timeout(self, message: str, request_id: str) -> bytes:
        """Return the response to a request that does not arrive in time."""
        return _response(ApiError("request_timeout", message), request_id)

    def too_many_connections(self, request_id: str) -> bytes:
        """Return the response to a connection that there is no room for."""
        error = ApiError("server_busy", "too many connections are open", retry_after_s=1)
        return _response(error, request_id)


def _response(error: ApiError, request_id: str) -> bytes:
    body = orjson.dumps(error_body(error, request_id)) + b"\n"
    headers = [("Content-Type", "application/json")]
    if error.retry_after_s is not None:
        headers.append(("Retry-After", str(error.retry_after_s)))
    headers += [("Connection", "close"), ("X-Request-Id", request_id)]
    headers.append(("Content-Length", str(len(body))))
    return encode_head(error.status_code, responses[error.status_code], headers) + body
