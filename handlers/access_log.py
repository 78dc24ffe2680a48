"""One log line for each request."""

import logging
import time
from collections.abc import Mapping
from types import MappingProxyType

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
    if _log.isEnabledFor(level):
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
        _log.handle(_record(level, fields))


# Logger.log() would inspect the stack for its caller, and a record's constructor would take apart
# the path of its file: no log format shows either.
def _record(level: int, fields: Mapping[str, object]) -> logging.LogRecord:
    now = time.time()
    record = logging.LogRecord.__new__(logging.LogRecord)
    record.__dict__ = {
        **_TEMPLATES[level],
        "created": now,
        "msecs": now % 1 * 1000 // 1,
        "fields": fields,
    }
    return record


_TEMPLATES = MappingProxyType(
    {
        level: vars(logging.LogRecord(__name__, level, "", 0, "request", (), None))
        for level in (logging.INFO, logging.WARNING)
    }
)
