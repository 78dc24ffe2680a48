"""Every error the server answers with: one table, and the exception that carries a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tornado.web import HTTPError

from validation.problems import Problem


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """A row: the code for programs, the HTTP status, whether the same request may work later."""

    code: str
    status: int
    may_retry: bool
    meaning: str


_KINDS = (
    ErrorKind("bad_request", 400, False, "the request is not understood"),
    ErrorKind("invalid_json", 400, False, "the body, or a line of it, is not JSON"),
    ErrorKind("invalid_encoding", 400, False, "the body is not the gzip it claims to be"),
    ErrorKind("invalid_query", 400, False, "the image's query cannot be read as an event"),
    ErrorKind("invalid_event", 400, False, "the event breaks a rule; `details` lists each one"),
    ErrorKind("invalid_batch", 400, False, "the body is not an array or lines of events"),
    ErrorKind("origin_not_allowed", 403, False, "the page's origin may not send events here"),
    ErrorKind("not_found", 404, False, "there is nothing at this path"),
    ErrorKind("method_not_allowed", 405, False, "the path has other methods: see `Allow`"),
    ErrorKind("event_too_large", 413, False, "an event is over `MAX_EVENT_BYTES`"),
    ErrorKind("batch_too_large", 413, False, "a batch is over `MAX_BATCH_EVENTS`"),
    ErrorKind("body_too_large", 413, False, "the body is over `MAX_BODY_BYTES`"),
    ErrorKind("unsupported_media_type", 415, False, "multipart bodies are not taken"),
    ErrorKind("unsupported_encoding", 415, False, "a `Content-Encoding` other than gzip"),
    ErrorKind("internal_error", 500, True, "a defect of the server; the log has the cause"),
    ErrorKind("journal_full", 503, True, "`JOURNAL_MAX_BYTES` is reached"),
    ErrorKind("journal_busy", 503, True, "the disk does not keep up"),
    ErrorKind("journal_unavailable", 503, True, "the disk refuses writes"),
    ErrorKind(
        "delivery_unconfirmed", 503, True, "with `ACK=delivered`: not confirmed by the store"
    ),
    ErrorKind("server_busy", 503, True, "too many bodies are on their way at once"),
    ErrorKind("shutting_down", 503, True, "the server is about to stop"),
)

ERRORS = MappingProxyType({kind.code: kind for kind in _KINDS})

_BY_STATUS = MappingProxyType(
    {
        404: (ERRORS["not_found"], "there is nothing at this path"),
        405: (ERRORS["method_not_allowed"], "this path does not take this method: see Allow"),
        500: (ERRORS["internal_error"], "an unexpected error; it has been logged"),
    }
)
_OTHER = (ERRORS["bad_request"], "the request is not understood")


class ApiError(HTTPError):
    """Ends a request with a row of the table. `retry_after_s` is in whole seconds."""

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
    """The answer for whatever ended a request; nothing of an unexpected error gets out."""
    if isinstance(error, ApiError):
        return error
    kind, message = _BY_STATUS.get(status, _OTHER)
    return ApiError(kind.code, message)


def error_body(error: ApiError, request_id: str) -> dict[str, object]:
    """The one form of an error."""
    body: dict[str, object] = {"code": error.kind.code, "message": error.message}
    if error.details:
        body["details"] = [{"path": each.path, "message": each.message} for each in error.details]
    return {"status": "error", "error": body, "request_id": request_id}
