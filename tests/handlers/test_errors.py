"""The table of errors, and the responses to exceptions."""

import pytest
from tornado.web import HTTPError

from handlers.errors import ERRORS, ApiError, ErrorKind, as_api_error, error_body
from validation.problems import Problem

KINDS = list(ERRORS.values())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_only_failures_of_the_server_rate_limits_and_timeouts_may_be_retried(
    kind: ErrorKind,
) -> None:
    assert kind.may_retry == (kind.status in (408, 429) or kind.status >= 500)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_an_error_carries_its_row(kind: ErrorKind) -> None:
    error = ApiError(kind.code, "a message")
    assert (kind, kind.status) == (error.kind, error.status_code)


def test_a_code_that_is_not_in_the_table_is_a_defect() -> None:
    with pytest.raises(KeyError):
        ApiError("made_up", "a message")


def test_an_api_error_is_kept_unchanged() -> None:
    error = ApiError("journal_full", "a message", retry_after_s=7)
    assert error is as_api_error(error, 503)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (HTTPError(404), 404, "not_found"),
        (HTTPError(405), 405, "method_not_allowed"),
        (HTTPError(400, "a secret of Tornado"), 400, "bad_request"),
        (HTTPError(411), 411, "bad_request"),
        (RuntimeError("a secret"), 500, "internal_error"),
        (None, 500, "internal_error"),
    ],
)
def test_the_text_of_any_other_exception_is_not_disclosed(
    error: Exception | None, status: int, code: str
) -> None:
    found = as_api_error(error, status)
    assert code == found.kind.code
    assert "secret" not in found.message


def test_an_error_has_one_form() -> None:
    assert {
        "status": "error",
        "error": {"code": "not_found", "message": "a message"},
        "request_id": "r1",
    } == error_body(ApiError("not_found", "a message"), "r1")


def test_details_are_a_list_of_paths_and_messages() -> None:
    error = ApiError("invalid_event", "a message", details=[Problem("user_id", "is too long")])
    body = error_body(error, "r1")["error"]
    assert {
        "code": "invalid_event",
        "message": "a message",
        "details": [{"path": "user_id", "message": "is too long"}],
    } == body
