"""The self-test: what the server saw of each way in which a page can send.

Its requests go the way of all others, to the same paths, with `selftest=` in the query: the run,
the row and the sender's clock in Unix milliseconds, with dots between. They are read, judged and
answered as events are, and not stored.
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
from handlers.ingest import EventSink, IngestHandler, IngestPipeline
from handlers.pixel import PixelHandler
from http1.activity import Activity
from storage.refusals import Refusal

PARAMETER = "selftest"

# Bounds on memory: the oldest run makes room.
_MAX_RUNS = 64
_MAX_ROWS = 64
_MAX_SHOWN_CHARS = 300

_FIRST_ERROR = 400

_RUN = re.compile(r"[0-9a-f]{32}")
_MARK = re.compile(r"([0-9a-f]{32})\.([a-z0-9-]{1,32})\.([0-9]{1,15})")


@dataclass(frozen=True, slots=True)
class SelfTestLog:
    """What was seen of the last runs; who knows a run's random id may read it."""

    _runs: OrderedDict[str, dict[str, dict[str, object]]] = field(default_factory=OrderedDict)

    def add(self, run: str, row: str, seen: dict[str, object]) -> None:
        """Remember what was seen of a row; what comes later adds to it."""
        rows = self._runs.setdefault(run, {})
        self._runs.move_to_end(run)
        if row in rows or len(rows) < _MAX_ROWS:
            rows[row] = {**rows.get(row, {}), **seen}
        if len(self._runs) > _MAX_RUNS:
            self._runs.popitem(last=False)

    def rows(self, run: str) -> dict[str, dict[str, object]]:
        """What was seen of a run, by row."""
        return self._runs.get(run, {})


@dataclass
class _DiscardedCounters:
    arrived: int = 0
    rejected: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class _NoDuplicates:
    duplicates: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _DryRunSink:
    """Refuses what the real one would refuse now, and stores nothing."""

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
    """The same rules and limits, with nothing stored and nothing counted."""
    return IngestPipeline(
        pipeline.reader,
        _DryRunSink(pipeline.sink),
        _DiscardedCounters(),
        pipeline.max_body_bytes,
        pipeline.received_at,
        budget=pipeline.budget,
    )


class SelfTestHandler(IngestHandler):
    """Remembers what it saw; says in every answer that nothing was stored."""

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
        """Answer as to an event, truthfully."""
        if status < _FIRST_ERROR:
            body = {**body, "message": "self-test: nothing was stored"}
        super().respond(status, body)

    def send(self, status: int, body: bytes | None) -> None:
        """Say it in a header, too: the pixel has no other place."""
        self.set_header("X-Self-Test", "nothing was stored")
        super().send(status, body)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Remember why."""
        _, error, _ = kwargs.get("exc_info", (None, None, None))
        if isinstance(error, ApiError):
            self._error = f"{error.kind.code}: {error.message}"[:_MAX_SHOWN_CHARS]
        super().write_error(status_code, **kwargs)

    def on_finish(self) -> None:
        """Remember what was seen."""
        mark = _MARK.fullmatch("".join(parse_qs(self.request.query).get(PARAMETER, [])[:1]))
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
            "headers": self._shown("Access-Control-Request-Headers"),
            "origin_allowed": self.cors.allowed,
        }

    def _seen(self, sent_ms: int) -> dict[str, object]:
        peer = self.request.remote_ip or ""
        return {
            "status": self.get_status(),
            "error": self._error,
            "method": self.request.method,
            "path": self.request.path,
            "origin": self._shown("Origin"),
            "origin_allowed": self.cors.allowed,
            "origin_rule": self.cors.reason,
            "address": self.client_address,
            "peer": peer,
            "peer_trusted": self.settings["addresses"].trusts(peer),
            "forwarded_for": self._shown("X-Forwarded-For"),
            "content_type": self._shown("Content-Type"),
            "content_encoding": self._shown("Content-Encoding"),
            "authorization": self.header("Authorization") is not None,
            "bytes": self.received_bytes,
            "skew_ms": round(self._arrived_ms - sent_ms),
        }

    def _shown(self, name: str) -> str | None:
        value = self.header(name)
        return None if value is None else value[:_MAX_SHOWN_CHARS]


class SelfTestEventHandler(SelfTestHandler, EventHandler):
    """One event."""


class SelfTestBatchHandler(SelfTestHandler, BatchHandler):
    """A batch."""


class SelfTestPixelHandler(SelfTestHandler, PixelHandler):
    """The image."""


# What stands in for each handler of events.
SELF_TESTS: Mapping[type[Any], type[SelfTestHandler]] = MappingProxyType(
    {
        EventHandler: SelfTestEventHandler,
        BatchHandler: SelfTestBatchHandler,
        PixelHandler: SelfTestPixelHandler,
    }
)


class ReportHandler(PublicHandler):
    """`/selftest/report`: what was seen of a run."""

    def initialize(  # type: ignore[override]
        self, activity: Activity, self_test_log: SelfTestLog, facts: dict[str, object]
    ) -> None:
        """Take the dependencies; `facts` are what the page says of the server."""
        super().initialize(activity)
        self._self_test_log = self_test_log
        self._facts = facts

    def get(self) -> None:
        """Tell what was seen of the run in the query."""
        run = self.get_query_argument("run", "")
        if _RUN.fullmatch(run) is None:
            raise ApiError("bad_request", "run must be 32 hexadecimal digits")
        self.respond(200, {**self._facts, "rows": self._self_test_log.rows(run)})
