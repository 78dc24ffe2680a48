"""The routes, and what each of them is given."""

from collections.abc import Callable
from typing import Any, cast

from tornado.httputil import HTTPServerRequest
from tornado.web import Application

from handlers.access_log import log_request
from handlers.activity import Activity
from handlers.base import BaseHandler, NotFoundHandler
from handlers.client_address import AddressResolver
from handlers.cors import CorsPolicy
from handlers.health import HealthHandler, ReadyHandler
from handlers.ingest import BatchHandler, EventHandler, Ingest

_Route = tuple[type[BaseHandler], dict[str, object]]


class CollectorApplication(Application):
    """Finds a handler in `routes` by the whole path, without a regular expression for each."""

    def __init__(self, routes: dict[str, _Route], not_found: _Route, **settings: object) -> None:
        super().__init__(**cast(dict[str, Any], settings))
        self.routes = routes
        self._not_found = not_found

    def find_handler(self, request: HTTPServerRequest, **kwargs: object) -> Any:
        """What takes the request."""
        path = request.path.removesuffix("/")
        return self.get_handler_delegate(request, *self.routes.get(path, self._not_found))


def make_app(
    *,
    ingest: Ingest,
    activity: Activity,
    health_report: Callable[[], dict[str, object]],
    cors_policy: CorsPolicy,
    cors_debug: bool,
    addresses: AddressResolver,
) -> CollectorApplication:
    """The application. A slash at the end of a path makes no difference."""
    ingesting = {"activity": activity, "ingest": ingest}
    return CollectorApplication(
        routes={
            "/api/v1/events": (EventHandler, ingesting),
            "/api/v1/events/batch": (BatchHandler, ingesting),
            "/health": (HealthHandler, {"activity": activity, "report": health_report}),
            "/ready": (ReadyHandler, {"activity": activity, "refusal": ingest.sink.refusal}),
        },
        not_found=(NotFoundHandler, {"activity": activity}),
        log_function=log_request,
        cors_policy=cors_policy,
        cors_debug=cors_debug,
        addresses=addresses,
    )
