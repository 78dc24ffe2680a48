"""One log line for each request."""

import logging
from collections.abc import Mapping

from tornado.web import RequestHandler

from handlers.base import BaseHandler
from handlers.head import Facts, Identity

_log = logging.getLogger(__name__)

_SERVER_ERROR = 500
_MAX_PATH_CHARS = 500


def log_handled(handler: RequestHandler) -> None:
    """Log a finished request of Tornado."""
    if isinstance(handler, BaseHandler):
        seconds = handler.request.request_time()
        status, size = handler.get_status(), handler.received_bytes
        log_request(handler.facts, handler.identity, status, seconds, size, handler.log_fields)


def log_request(
    facts: Facts,
    identity: Identity,
    status: int,
    seconds: float,
    size: int,
    further: Mapping[str, object],
) -> None:
    """Log a finished request; format nothing if its level is disabled.

    `seconds` is the time that it took, `size` the bytes of its body, `further` its other fields.
    """
    level = logging.WARNING if status >= _SERVER_ERROR else logging.INFO
    if not _log.isEnabledFor(level):
        return
    fields = {
        "method": facts.method,
        "path": facts.path[:_MAX_PATH_CHARS],
        "status": status,
        "ms": round(seconds * 1000, 2),
        "bytes": size,
        "request_id": identity.request_id,
        "client": identity.client_address,
        **further,
    }
    # Logger.log() would inspect the stack for its caller, which no log format shows.
    record = logging.LogRecord(_log.name, level, "", 0, "request", (), None)
    record.fields = fields
    _log.handle(record)
