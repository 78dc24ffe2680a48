"""The table of all errors that the server responds with, and the exception for a row of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tornado.web import HTTPError

from validation.problems import Problem


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """A row of the table; `may_retry` if the same request may succeed later."""

    code: str
    status: int
    may_retry: bool
    meaning: str


_KINDS = (
    ErrorKind("bad_request", 400, False, "the request is malformed"),
    ErrorKind("invalid_json", 400, False, "the body, or a line of it, is not valid JSON"),
    ErrorKind("invalid_encoding", 400, False, "the body is not valid gzip"),
    ErrorKind("invalid_query", 400, False, "the pixel's query string cannot be read as an event"),
    ErrorKind("invalid_event", 400, False, "the event breaks a rule; `details` has each violation"),
    ErrorKind("invalid_batch", 400, False, "the body is neither an array of events nor NDJSON"),
    ErrorKind("origin_not_allowed", 403, False, "the page's origin is not allowed to send events"),
    ErrorKind("not_found", 404, False, "there is no endpoint at this path, or no such self-test"),
    ErrorKind("method_not_allowed", 405, False, "the endpoint has other methods: see `Allow`"),
    ErrorKind("request_timeout", 408, True, "the request arrived too slowly"),
    ErrorKind("event_too_large", 413, False, "an event is larger than `MAX_EVENT_BYTES`"),
    ErrorKind("batch_too_large", 413, False, "a batch has more events than `MAX_BATCH_EVENTS`"),
    ErrorKind("body_too_large", 413, False, "the body is larger than `MAX_BODY_BYTES`"),
    ErrorKind("unsupported_media_type", 415, False, "multipart bodies are not supported"),
    ErrorKind("unsupported_encoding", 415, False, "a `Content-Encoding` other than gzip"),
    ErrorKind(
        "head_too_large", 431, False, "the head is over 32 KiB or has over 100 header fields"
    ),
    ErrorKind("internal_error", 500, True, "an unexpected error; the server's log has the cause"),
    ErrorKind("journal_full", 503, True, "the journal has reached `JOURNAL_MAX_BYTES`"),
    ErrorKind("journal_busy", 503, True, "the disk cannot keep up with the load"),
    ErrorKind("journal_unavailable", 503, True, "the disk cannot be written"),
    ErrorKind(
        "delivery_unconfirmed",
        503,
        True,
        "with `ACK=delivered`: not confirmed by the store in time",
    ),
    ErrorKind("server_busy", 503, True, "too many request bodies are held in memory"),
    ErrorKind("shutting_down", 503, True, "the server is shutting down"),
)

ERRORS = MappingProxyType({kind.code: kind for kind in _KINDS})

_BY_STATUS = MappingProxyType(
    {
        404: (ERRORS["not_found"], "there is no endpoint at this path: check the URL"),
        405: (ERRORS["method_not_allowed"], "the endpoint does not accept this method: see Allow"),
        500: (ERRORS["internal_error"], "an unexpected error, which has been logged: retry later"),
    }
)
_OTHER = (ERRORS["bad_request"], "the request is malformed: check its URL, headers and body")


class ApiError(HTTPError):
    """An error that ends a request with a row of the table.

    `retry_after_s` is in whole seconds.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        details: Sequence[Problem] = (),
        retry_after_s: int | None = None,
    ) -> None:
        kind = ERRORS[code]
        super().__init__(kind.status)
        self.kind = kind
        self.message = message
        self.details = details
        self.retry_after_s = retry_after_s


def as_api_error(error: BaseException | None, status: int) -> ApiError:
    """Convert any exception; the text of an unexpected one is not disclosed."""
    if isinstance(error, ApiError):
        return error
    kind, message = _BY_STATUS.get(status, _OTHER)
    return ApiError(kind.code, message)


def error_body(error: ApiError, request_id: str) -> dict[str, object]:
    """Return the one form of an error, for JSON."""
    body: dict[str, object] = {"code": error.kind.code, "message": error.message}
    if error.details:
        body["details"] = [{"path": each.path, "message": each.message} for each in error.details]
    return {"status": "error", "error": body, "request_id": request_id}
