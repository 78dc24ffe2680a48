"""One log line for each request."""

import logging

from tornado.web import RequestHandler

from handlers.base import BaseHandler

_log = logging.getLogger(__name__)

_SERVER_ERROR = 500


def log_request(handler: RequestHandler) -> None:
    """Log a finished request; nothing is put together that nobody would read."""
    status = handler.get_status()
    level = logging.WARNING if status >= _SERVER_ERROR else logging.INFO
    if not _log.isEnabledFor(level) or not isinstance(handler, BaseHandler):
        return
    request = handler.request
    fields = {
        "method": request.method,
        "path": request.path,
        "status": status,
        "ms": round(request.request_time() * 1000, 2),
        "bytes": handler.received_bytes,
        "request_id": handler.request_id,
        "client": handler.client_address,
        **handler.log_fields,
    }
    _log.log(level, "request", extra={"fields": fields})
