"""A response before it has a head: its status, its JSON, and what the log says of it."""

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from handlers.errors import ApiError, error_body
from logs.events import get_logger

_log = get_logger(__name__)


class Reply(NamedTuple):
    """The outcome of a request.

    `log_fields` are for the access log; `headers` are those beyond `HeadRules.response_headers`.
    """

    status: int
    body: dict[str, object]
    log_fields: dict[str, object]
    headers: Sequence[tuple[str, str]] = ()


def error_reply(error: ApiError, request_id: str) -> Reply:
    """Return the one form of an error."""
    retry_after = error.retry_after_s
    return Reply(
        error.status_code,
        error_body(error, request_id),
        {"code": error.kind.code, "message": error.message},
        () if retry_after is None else (("Retry-After", str(retry_after)),),
    )


def json_body(body: dict[str, object]) -> bytes:
    """Return the bytes of a JSON response."""
    return orjson.dumps(body) + b"\n"


def log_defect(error: BaseException | None, request_id: str) -> None:
    """Log an unexpected exception; the access log has the errors that clients get."""
    if not isinstance(error, ApiError):
        _log.error("request failed", request_id=request_id, exc_info=error)
