"""The routes, and the dependencies of each handler."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar, cast

from tornado.httputil import HTTPServerRequest
from tornado.web import Application

from handlers.access_log import log_handled
from handlers.admission import AdmissionPolicy
from handlers.assets import FOR_EVER, FOR_MINUTES, AssetHandler, WebFiles
from handlers.base import BaseHandler, NotFoundHandler
from handlers.client_address import AddressResolver
from handlers.direct import DirectIngest, Endpoint
from handlers.events import BatchHandler, EventHandler
from handlers.head import HeadRules
from handlers.health import HealthHandler, ReadyHandler
from handlers.ingestion import Ingestion, IngestPipeline
from handlers.pixel import PixelHandler
from handlers.selftest import SELF_TESTS, ReportHandler, RunsHandler, dry_run
from handlers.selftest_runs import SelfTestRuns
from http1.activity import Activity

Route = tuple[type[BaseHandler], dict[str, object]]
_T = TypeVar("_T")

# The functions of the core behind the handlers of POST.
_ENDPOINTS: Mapping[str, Endpoint] = MappingProxyType(
    {"/api/v1/events": Ingestion.one_event, "/api/v1/events/batch": Ingestion.batch}
)

# The path of each endpoint for pages, and its short name under an alias, which contains no word
# that ad blockers look for.
_SHORT_NAMES = MappingProxyType(
    {
        "/api/v1/events": "/e",
        "/api/v1/events/batch": "/b",
        "/api/v1/pixel.gif": "/i.gif",
        "/beacon.js": "/s.js",
    }
)
_SLASHES = re.compile("/{2,}")
_HASHED_SCRIPT = re.compile(r"(.*/(?:beacon|s))\.[0-9a-f]{16}(\.js)")

# The page runs its own script, which adds the style itself, and sends to its own server.
_SELFTEST_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
    )
)


def normalized_path(target: str) -> str:
    """Return the path of a request target (RFC 9112, section 3.2) as `routes` has it.

    A target may be a whole URL, as proxies send it. Slashes that are doubled, as by a base URL that
    ends with one, or that end the path make no difference.
    """
    if not target.startswith("/"):
        _, is_url, rest = target.partition("://")
        target = f"/{rest.partition('/')[2]}" if is_url else target
    if "//" in target:
        target = _SLASHES.sub("/", target)
    return target.removesuffix("/")


class CollectorApplication(Application):
    """An application that looks up the whole path in `routes`, without regular expressions.

    `direct` takes the plain requests for which it needs no handler.
    """

    def __init__(
        self,
        routes: dict[str, Route],
        self_tests: dict[str, Route],
        runs: SelfTestRuns,
        not_found: Route,
        direct: DirectIngest,
        **settings: object,
    ) -> None:
        super().__init__(**cast(dict[str, Any], settings))
        self.direct = direct
        self.routes = routes
        self._self_tests = self_tests
        self._runs = runs
        self._not_found = not_found

    def find_handler(self, request: HTTPServerRequest, **kwargs: object) -> Any:
        """Return the delegate that handles the request."""
        path = normalized_path(request.path)
        if path in self._self_tests and self._runs.mark(request.query) is not None:
            return self.get_handler_delegate(request, *self._self_tests[path])
        route = self.routes.get(path) or self._script_of_another_version(path)
        return self.get_handler_delegate(request, *(route or self._not_found))

    def _script_of_another_version(self, path: str) -> Route | None:
        """Return the current script for a page that was cached before an upgrade."""
        match = _HASHED_SCRIPT.fullmatch(path)
        return self.routes.get("".join(match.groups())) if match else None


def make_app(
    *,
    pipeline: IngestPipeline,
    activity: Activity,
    health_report: Callable[[], dict[str, object]],
    admission: AdmissionPolicy,
    cors_debug: bool,
    addresses: AddressResolver,
    web: WebFiles,
    aliases: Sequence[str] = (),
    monotonic: Callable[[], float] = time.monotonic,
) -> CollectorApplication:
    """Make the application. A trailing slash of a path makes no difference.

    `monotonic` returns seconds, for the age of a run of the self-test.
    """
    given = {"activity": activity, "admission": admission}
    of_events = _event_routes({**given, "pipeline": pipeline})
    of_scripts = _script_routes(activity, web)
    rules = HeadRules(addresses, admission.origins)
    # A handler logs its decisions on CORS, if asked to.
    endpoints = {} if cors_debug else _with_aliases(_ENDPOINTS, aliases)
    runs = SelfTestRuns(monotonic)
    dry_given = {**given, "pipeline": dry_run(pipeline), "runs": runs}
    self_tests: dict[str, Route] = {
        path: (SELF_TESTS[handler], dry_given) for path, (handler, _) in of_events.items()
    }
    return CollectorApplication(
        routes={
            **_with_aliases({**of_events, **of_scripts}, aliases),
            "/health": (HealthHandler, {"activity": activity, "report": health_report}),
            "/ready": (ReadyHandler, {"activity": activity, "refusal": pipeline.sink.refusal}),
            **_selftest_routes(activity, web, runs, aliases),
        },
        self_tests=_with_aliases(self_tests, aliases),
        runs=runs,
        not_found=(NotFoundHandler, {"activity": activity}),
        direct=DirectIngest(endpoints, pipeline, admission, rules),
        log_function=log_handled,
        head_rules=rules,
        cors_debug=cors_debug,
        addresses=addresses,
    )


def _event_routes(given: dict[str, object]) -> dict[str, Route]:
    return {
        "/api/v1/events": (EventHandler, given),
        "/api/v1/events/batch": (BatchHandler, given),
        "/api/v1/pixel.gif": (PixelHandler, given),
    }


def _script_routes(activity: Activity, web: WebFiles) -> dict[str, Route]:
    given = {"activity": activity, "asset": web.beacon}
    return {
        "/beacon.js": (AssetHandler, {**given, "cache_control": FOR_MINUTES}),
        f"/beacon.{web.beacon.hash}.js": (AssetHandler, {**given, "cache_control": FOR_EVER}),
    }


def _with_aliases(routes: Mapping[str, _T], aliases: Sequence[str]) -> dict[str, _T]:
    """Add each route under each alias, by its path and by its short name."""
    aliased = {
        f"{alias}{name}": route
        for alias in aliases
        for path, route in routes.items()
        for name in (path, short_name(path))
    }
    return {**routes, **aliased}


def short_name(path: str) -> str:
    """Return the name of a path under an alias."""
    hashed = path.replace("/beacon.", "/s.")
    return _SHORT_NAMES.get(path, hashed)


def _selftest_routes(
    activity: Activity, web: WebFiles, runs: SelfTestRuns, aliases: Sequence[str]
) -> dict[str, Route]:
    given = {"activity": activity, "cache_control": "no-cache"}
    facts = {
        "script": {"hash": web.beacon.hash, "integrity": web.beacon.integrity},
        "aliases": list(aliases),
    }
    page = {**given, "asset": web.selftest_page, "policy": _SELFTEST_POLICY}
    return {
        "/selftest": (AssetHandler, page),
        "/selftest.js": (AssetHandler, {**given, "asset": web.selftest_script}),
        "/selftest/runs": (RunsHandler, {"activity": activity, "runs": runs, "facts": facts}),
        "/selftest/report": (ReportHandler, {"activity": activity, "runs": runs}),
    }
