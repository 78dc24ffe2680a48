"""The self-test: a report on each way in which a page can send, as the server saw it.

Its requests go to the same paths as all others, with `selftest=<run>.<row>.<milliseconds>` in the
query: a random id of the run, the name of the row and the sender's clock as a Unix time. They are
admitted, validated and responded to like any other events, and then discarded.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs

from handlers.admission import AdmissionPolicy
from handlers.assets import PublicHandler
from handlers.errors import ApiError
from handlers.events import BatchHandler, EventHandler
from handlers.ingest import IngestHandler
from handlers.ingestion import EventSink, IngestPipeline
from handlers.pixel import PixelHandler
from http1.activity import Activity
from storage.refusals import Refusal

PARAMETER = "selftest"

# Bounds on memory: a new run replaces the oldest.
_MAX_RUNS = 64
_MAX_ROWS = 64
_MAX_VALUE_CHARS = 300

_FIRST_ERROR = 400

_RUN = re.compile(r"[0-9a-f]{32}")
_MARK = re.compile(r"([0-9a-f]{32})\.([a-z0-9-]{1,32})\.([0-9]{1,15})")


def is_self_test(query: str) -> bool:
    """Return True if the query of a request has the mark of a self-test.

    An event may have a field or a property of the same name, whose value is another: such an event
    is a real one.
    """
    return PARAMETER in query and _mark(query) is not None


def _mark(query: str) -> re.Match[str] | None:
    return _MARK.fullmatch("".join(parse_qs(query).get(PARAMETER, [])[:1]))


@dataclass(frozen=True, slots=True)
class SelfTestLog:
    """Observations of the last runs, for anybody who knows the random id of a run."""

    _runs: OrderedDict[str, dict[str, dict[str, object]]] = field(default_factory=OrderedDict)

    def add(self, run: str, row: str, seen: dict[str, object]) -> None:
        """Add observations to a row; a later one replaces an earlier one of the same name."""
        rows = self._runs.setdefault(run, {})
        self._runs.move_to_end(run)
        if row in rows or len(rows) < _MAX_ROWS:
            rows[row] = {**rows.get(row, {}), **seen}
        if len(self._runs) > _MAX_RUNS:
            self._runs.popitem(last=False)

    def rows(self, run: str) -> dict[str, dict[str, object]]:
        """Return the observations of a run, by row."""
        return self._runs.get(run, {})


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
        self_test_log: SelfTestLog,
    ) -> None:
        """Take the dependencies."""
        super().initialize(activity, pipeline, admission)
        self._self_test_log = self_test_log
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
        """Record the observations of a request with a valid mark."""
        mark = _mark(self.request.query)
        if mark is not None:
            run, row, sent_ms = mark.groups()
            if self.request.method == "OPTIONS":
                self._self_test_log.add(run, row, {"preflight": self._preflight()})
            else:
                self._self_test_log.add(run, row, self._seen(int(sent_ms)))
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
            "path": self.request.path,
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


class ReportHandler(PublicHandler):
    """`/selftest/report`: the observations of a run."""

    def initialize(  # type: ignore[override]
        self, activity: Activity, self_test_log: SelfTestLog, facts: dict[str, object]
    ) -> None:
        """Take the dependencies; `facts` describe the server, for the page."""
        super().initialize(activity)
        self._self_test_log = self_test_log
        self._facts = facts

    def get(self) -> None:
        """Send the observations of the run in the query."""
        run = self.get_query_argument("run", "")
        if _RUN.fullmatch(run) is None:
            raise ApiError(
                "bad_request",
                "the parameter run must be 32 hexadecimal digits: use the id of a self-test",
            )
        self.respond(200, {**self._facts, "rows": self._self_test_log.rows(run)})
