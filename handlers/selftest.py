"""The self-test: a report on each way in which a page can send, as the server saw it.

A page begins a run, whose random id the server gives out. The requests of the run go to the same
paths as all others, with `selftest=<run>.<row>.<milliseconds>` in the query: the id, the name of
the row and the sender's clock as a Unix time. They are admitted, validated and responded to like
any other events, and then discarded. Without the id of a run that the server remembers, a request
is a real one: no client can make it look like a self-test by itself.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from handlers.admission import AdmissionPolicy
from handlers.assets import PublicHandler
from handlers.errors import ApiError
from handlers.events import BatchHandler, EventHandler
from handlers.ingest import IngestHandler
from handlers.ingestion import EventSink, IngestPipeline
from handlers.pixel import PixelHandler
from handlers.selftest_runs import MAX_AGE_S, MAX_RUNS, SelfTestRuns, is_run_id
from http1.activity import Activity
from storage.refusals import Refusal

_MAX_VALUE_CHARS = 300

_FIRST_ERROR = 400

_FORGOTTEN = (
    "this process does not know the run: it is older than "
    f"{MAX_AGE_S // 60} minutes, {MAX_RUNS} newer runs replaced it, the server was restarted, or "
    "another process began it (REUSE_PORT): run the self-test again, against one process; events "
    "of the run that arrived meanwhile were kept, as events of type selftest"
)


@dataclass
class _DiscardedCounters:
    arrived: int = 0
    rejected: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class _NoDuplicates:
    duplicates: frozenset[int] = frozenset()
    kept_as: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _DryRunSink:
    """A sink that discards events, and refuses those that the real one would refuse now."""

    real: EventSink

    async def append(
        self, lines: Sequence[bytes], event_ids: Sequence[str | None]
    ) -> _NoDuplicates:
        refusal = self.real.refusal()
        if refusal is not None:
            raise refusal
        return _NoDuplicates()

    def refusal(self) -> Refusal | None:
        return self.real.refusal()


def dry_run(pipeline: IngestPipeline) -> IngestPipeline:
    """Return a pipeline with the same rules and limits that keeps and counts nothing."""
    return IngestPipeline(
        pipeline.reader,
        _DryRunSink(pipeline.sink),
        _DiscardedCounters(),
        pipeline.max_body_bytes,
        pipeline.received_at,
        budget=pipeline.budget,
    )


class SelfTestHandler(IngestHandler):
    """The base of self-test handlers: they record the request and say that it is discarded."""

    def initialize(  # type: ignore[override]
        self,
        activity: Activity,
        pipeline: IngestPipeline,
        admission: AdmissionPolicy,
        runs: SelfTestRuns,
    ) -> None:
        """Take the dependencies."""
        super().initialize(activity, pipeline, admission)
        self._runs = runs
        self._arrived_ms = time.time() * 1000
        self._error: str | None = None

    def respond(self, status: int, body: dict[str, object]) -> None:
        """Send the response of an event, with a message that it was discarded."""
        if status < _FIRST_ERROR:
            body = {**body, "message": "self-test: validated, then discarded"}
        super().respond(status, body)

    def send(self, status: int, body: bytes | None) -> None:
        """Send a response with a header that says the same, for the pixel."""
        self.set_header("X-Self-Test", "discarded")
        super().send(status, body)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Record the error."""
        _, error, _ = kwargs.get("exc_info", (None, None, None))
        if isinstance(error, ApiError):
            self._error = f"{error.kind.code}: {error.message}"[:_MAX_VALUE_CHARS]
        super().write_error(status_code, **kwargs)

    def on_finish(self) -> None:
        """Record the observations of a request, unless its run was forgotten meanwhile."""
        mark = self._runs.mark(self.request.query)
        if mark is not None:
            if self.request.method == "OPTIONS":
                self._runs.add(mark, {"preflight": self._preflight()})
            else:
                self._runs.add(mark, self._seen(mark.sent_ms))
        super().on_finish()

    def _preflight(self) -> dict[str, object]:
        return {
            "status": self.get_status(),
            "headers": self._shortened("Access-Control-Request-Headers"),
            "origin_allowed": self.cors.allowed,
        }

    def _seen(self, sent_ms: int) -> dict[str, object]:
        peer = self.request.remote_ip or ""
        return {
            "status": self.get_status(),
            "error": self._error,
            "method": self.request.method,
            "path": self.request.path[:_MAX_VALUE_CHARS],
            "origin": self._shortened("Origin"),
            "origin_allowed": self.cors.allowed,
            "origin_rule": self.cors.reason,
            "address": self.client_address,
            "peer": peer,
            "peer_trusted": self.settings["addresses"].trusts(peer),
            "forwarded_for": self._shortened("X-Forwarded-For"),
            "content_type": self._shortened("Content-Type"),
            "content_encoding": self._shortened("Content-Encoding"),
            "authorization": self.header("Authorization") is not None,
            "bytes": self.received_bytes,
            "skew_ms": round(self._arrived_ms - sent_ms),
        }

    def _shortened(self, name: str) -> str | None:
        value = self.header(name)
        return None if value is None else value[:_MAX_VALUE_CHARS]


class SelfTestEventHandler(SelfTestHandler, EventHandler):
    """The self-test of one event."""


class SelfTestBatchHandler(SelfTestHandler, BatchHandler):
    """The self-test of a batch."""


class SelfTestPixelHandler(SelfTestHandler, PixelHandler):
    """The self-test of the pixel."""


# The self-test handler that replaces each handler of events.
SELF_TESTS: Mapping[type[Any], type[SelfTestHandler]] = MappingProxyType(
    {
        EventHandler: SelfTestEventHandler,
        BatchHandler: SelfTestBatchHandler,
        PixelHandler: SelfTestPixelHandler,
    }
)


class RunsHandler(PublicHandler):
    """`/selftest/runs`: begins a run. Pages of every origin may, without a preflight."""

    def initialize(  # type: ignore[override]
        self, activity: Activity, runs: SelfTestRuns, facts: dict[str, object]
    ) -> None:
        """Take the dependencies; `facts` describe the server, for the page."""
        super().initialize(activity)
        self._runs = runs
        self._facts = facts

    def post(self) -> None:
        """Begin a run; send its id and the facts."""
        self.set_header("Cache-Control", "no-store")
        self.respond(200, {"run": self._runs.begin(), **self._facts})


class ReportHandler(PublicHandler):
    """`/selftest/report`: the observations of a run."""

    def initialize(self, activity: Activity, runs: SelfTestRuns) -> None:  # type: ignore[override]
        """Take the dependencies."""
        super().initialize(activity)
        self._runs = runs

    def get(self) -> None:
        """Send the observations of the run in the query."""
        run = self.get_query_argument("run", "")
        if not is_run_id(run):
            raise ApiError(
                "bad_request",
                "the parameter run must be 32 hexadecimal digits: use the id of a self-test",
            )
        rows = self._runs.rows(run)
        if rows is None:
            raise ApiError("not_found", _FORGOTTEN)
        self.respond(200, {"rows": rows})
