"""The response to what is not a request, or not a whole one."""

from collections.abc import Callable

from http1.parser import BadRequest, HeadTooLarge
from http1.response import ErrorResponses, new_request_id
from logs.events import get_logger

_log = get_logger(__name__)


class RequestTimeout(Exception):
    """A request that did not arrive in time."""


def refusal(errors: ErrorResponses, failure: BadRequest | RequestTimeout, client: str) -> bytes:
    """Return the whole response to a failure of a client, and log it."""
    request_id = new_request_id()
    is_late = isinstance(failure, RequestTimeout)
    _log.info(
        "late request" if is_late else "malformed request",
        cause=str(failure),
        client=client,
        request_id=request_id,
    )
    return _response_to(failure, errors)(str(failure), request_id)


def _response_to(
    failure: BadRequest | RequestTimeout, errors: ErrorResponses
) -> Callable[[str, str], bytes]:
    match failure:
        case RequestTimeout():
            return errors.request_timeout
        case HeadTooLarge():
            return errors.head_too_large
    return errors.bad_request
