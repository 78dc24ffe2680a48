"""The routes, and what each of them is given."""

from collections.abc import Callable

from tornado.web import Application

from handlers.access_log import log_request
from handlers.activity import Activity
from handlers.base import NotFoundHandler
from handlers.client_address import AddressResolver
from handlers.cors import CorsPolicy
from handlers.health import HealthHandler, ReadyHandler
from handlers.ingest import BatchHandler, EventHandler, Ingest


def make_app(
    *,
    ingest: Ingest,
    activity: Activity,
    health_report: Callable[[], dict[str, object]],
    cors_policy: CorsPolicy,
    cors_debug: bool,
    addresses: AddressResolver,
) -> Application:
    """The application. A slash at the end of a path makes no difference."""
    ingesting = {"activity": activity, "ingest": ingest}
    return Application(
        [
            (r"/api/v1/events/?", EventHandler, ingesting),
            (r"/api/v1/events/batch/?", BatchHandler, ingesting),
            (r"/health/?", HealthHandler, {"activity": activity, "report": health_report}),
            (r"/ready/?", ReadyHandler, {"activity": activity, "refusal": ingest.sink.refusal}),
        ],
        default_handler_class=NotFoundHandler,
        default_handler_args={"activity": activity},
        log_function=log_request,
        cors_policy=cors_policy,
        cors_debug=cors_debug,
        addresses=addresses,
    )
