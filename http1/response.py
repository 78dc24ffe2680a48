"""Answers as they go over the wire."""

import orjson
from tornado.httputil import HTTPHeaders, ResponseStartLine

from handlers.errors import ApiError, error_body


def encode_head(status: ResponseStartLine, headers: HTTPHeaders) -> bytes:
    """An answer's head (RFC 9112, sections 4 and 5); ValueError if a field is not one line."""
    lines = [f"HTTP/1.1 {status.code} {status.reason}"]
    lines += [f"{name}: {value}" for name, value in headers.get_all()]
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        raise ValueError("a header must be one line")
    return head.encode("latin-1") + b"\r\n\r\n"


def bad_request(message: str, request_id: str) -> bytes:
    """The last answer of a connection, to what is no request."""
    body = orjson.dumps(error_body(ApiError("bad_request", message), request_id)) + b"\n"
    headers = HTTPHeaders(
        {
            "Content-Type": "application/json",
            "Connection": "close",
            "X-Request-Id": request_id,
            "Content-Length": str(len(body)),
        }
    )
    return encode_head(ResponseStartLine("HTTP/1.1", 400, "Bad Request"), headers) + body
