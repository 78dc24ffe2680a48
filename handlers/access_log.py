"""One log line for each request."""

import logging

from tornado.web import RequestHandler

from handlers.base import BaseHandler

_log = logging.getLogger(__name__)

_SERVER_ERROR = 500
_MAX_PATH_CHARS = 500


def log_request(handler: RequestHandler) -> None:
    """Log a finished request; format nothing if its level is disabled."""
    status = handler.get_status()
    level = logging.WARNING if status >= _SERVER_ERROR else logging.INFO
    if not _log.isEnabledFor(level) or not isinstance(handler, BaseHandler):
        return
    request = handler.request
    fields = {
        "method": request.method,
        "path": request.path[:_MAX_PATH_CHARS],
        "status": status,
        "ms": round(request.request_time() * 1000, 2),
        "bytes": handler.received_bytes,
        "request_id": handler.request_id,
        "client": handler.client_address,
        **handler.log_fields,
    }
    # Logger.log() would inspect the stack for its caller, which no log format shows.
    record = logging.LogRecord(_log.name, level, "", 0, "request", (), None)
    record.fields = fields
    _log.handle(record)
