"""Responses as bytes."""

from collections.abc import Iterable
from random import getrandbits
from typing import Protocol


def new_request_id() -> str:
    """Return a random id for a response to what is not a request."""
    return f"{getrandbits(64):016x}"


class ErrorResponses(Protocol):
    """Whole responses for connections on which there is no request to handle.

    Each of them says that the connection closes.
    """

    def bad_request(self, message: str, request_id: str) -> bytes:
        """Return the response to bytes that are not an HTTP request."""

    def head_too_large(self, message: str, request_id: str) -> bytes:
        """Return the response to a request head that is over a limit."""

    def request_timeout(self, message: str, request_id: str) -> bytes:
        """Return the response to a request that does not arrive in time."""

    def too_many_connections(self, request_id: str) -> bytes:
        """Return the response to a connection that there is no room for."""


def encode_head(status: int, reason: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """Encode the head of a response (RFC 9112, sections 4 and 5).

    ValueError if a header field would be more than one line.
    """
    lines = [f"HTTP/1.1 {status} {reason}"]
    lines += [f"{name}: {value}" for name, value in fields]
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        raise ValueError("a header field must be one line")
    return head.encode("latin-1") + b"\r\n\r\n"
