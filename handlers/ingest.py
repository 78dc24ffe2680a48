"""Ingestion: the steps of every request that brings events, from admission to the journal."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from handlers.admission import Admission, AdmissionPolicy, RequestFacts
from handlers.base import BaseHandler
from handlers.body import (
    DISCARDED_BYTES,
    BodyBudget,
    BodyHeaders,
    body_too_large,
    gunzip,
    is_gzip,
    server_busy,
)
from handlers.errors import ApiError, as_api_error
from http1.activity import Activity
from storage.refusals import Refusal
from validation.outcomes import Accepted, Rejected, RequestInfo
from validation.problems import Problem
from validation.reader import EventReader
from validation.turns import Turns

_T = TypeVar("_T")

_LENGTH = re.compile(r"[0-9]{1,18}")

# Browsers send a few hundred at most, and every event of a batch carries a copy.
_MAX_USER_AGENT_CHARS = 1024


class AppendResult(Protocol):
    """The result for events that are durable."""

    @property
    def duplicates(self) -> frozenset[int]:
        """The indexes of those that were durable before."""

    @property
    def kept_as(self) -> Mapping[int, str]:
        """The ids of those that are kept under another id, by index: conflicts."""


class EventSink(Protocol):
    """The port through which accepted events become durable."""

    async def append(self, lines: Sequence[bytes], event_ids: Sequence[str | None]) -> AppendResult:
        """Make the events of one request durable: on return all of them are.

        `event_ids` has one entry for each line: the id by which a duplicate is recognized, or None
        for an event that is never a duplicate. An event whose id another event has is kept under
        another id. Raises a Refusal: then none of the events is
        durable, unless the Refusal's `may_deliver` says that they may be.
        """

    def refusal(self) -> Refusal | None:
        """Return the Refusal that an event may get now, or None if every event is accepted."""


class Counters(Protocol):
    """The counters of events that handlers keep; the sink counts durable and duplicate ones."""

    arrived: int
    rejected: int
    refused: int


@dataclass(frozen=True, slots=True)
class IngestPipeline:
    """The parts through which every event passes, shared by all endpoints for events.

    `budget` bounds the memory of request bodies, and `max_body_bytes` each of them, also after
    decompression. `reader` validates events, `sink` makes them durable, `counters` count them.
    `received_at` returns the current time in the form that events carry.

    With `deduplicates_generated_ids` the sink also gets the ids that the server generated: needed
    where the client of an event may be asked to retry it under its generated id.
    """

    reader: EventReader
    sink: EventSink
    counters: Counters
    max_body_bytes: int
    received_at: Callable[[], str]
    deduplicates_generated_ids: bool = False
    budget: BodyBudget = field(default_factory=BodyBudget)


class IngestHandler(BaseHandler):
    """The base of handlers for events: admission, body, counters, journal.

    A request that its headers already rule out gets its error after its body has been read and
    discarded, since many clients see a response during an upload as a broken connection. A client
    that waits for `100 Continue`, or announces a body over DISCARDED_BYTES, gets the error at
    once.
    """

    # The method that brings events: even if it fails, at least one event is counted.
    event_method = "POST"

    def initialize(  # type: ignore[override]
        self, activity: Activity, pipeline: IngestPipeline, admission: AdmissionPolicy
    ) -> None:
        """Take the dependencies."""
        super().initialize(activity)
        self.pipeline = pipeline
        self._admission_policy = admission
        # Not a list of chunks, of which a tiny one takes 20 times its size.
        self._body = bytearray()
        self._held_bytes = 0
        self._body_error: ApiError | None = None
        self._is_counted = False
        self._in_flight = 0

    def prepare(self) -> None:
        """Decide by the headers on admission and on the body, which may have come in already."""
        super().prepare()
        self._admission = self._decide_admission()
        if self.request.method == "POST":
            self._decide_on_body()

    def _decide_admission(self) -> Admission:
        referer = self.header("Referer")
        own_hosts = () if referer is None else self.own_hosts()
        facts = RequestFacts(self.request.method or "", self.cors, referer, own_hosts)
        return self._admission_policy.decide(facts)

    def require_admission(self) -> None:
        """Raise the ApiError of a request that is not admitted."""
        if self._admission.error is not None:
            raise self._admission.error

    def _decide_on_body(self) -> None:
        headers = self._body_headers()
        self._body_is_gzip = headers.is_gzip
        head_error = headers.error(self.pipeline.max_body_bytes)
        self._body_error = self._admission.error or head_error or self._body_error
        length = headers.content_length or 0
        if self._body_error is not None and (
            length > DISCARDED_BYTES or self._waits_for_continue()
        ):
            self.closes_connection = True
            raise self._body_error

    def _body_headers(self) -> BodyHeaders:
        length = self.header("Content-Length") or ""
        return BodyHeaders(
            content_type=(self.header("Content-Type") or "").strip().lower(),
            content_encoding=(self.header("Content-Encoding") or "").strip().lower(),
            content_length=int(length) if _LENGTH.fullmatch(length) else None,
        )

    def _waits_for_continue(self) -> bool:
        return (self.header("Expect") or "").lower() == "100-continue"

    def data_received(self, chunk: bytes) -> None:
        """Keep a chunk of the body, as long as its limit and the budget allow."""
        super().data_received(chunk)
        if self._body_error is None and self.received_bytes > self.pipeline.max_body_bytes:
            self._body_error = body_too_large(self.pipeline.max_body_bytes)
        if self._body_error is None and not self.pipeline.budget.reserve(len(chunk)):
            self._body_error = server_busy()
        if self._body_error is not None:
            self._release()
            return
        self._body += chunk
        self._held_bytes += len(chunk)

    def _release(self) -> None:
        self._body.clear()
        self.pipeline.budget.release(self._held_bytes)
        self._held_bytes = 0

    def on_finish(self) -> None:
        """Release the body, also if the client has disconnected."""
        super().on_finish()
        self._release()

    def options(self) -> None:
        """Respond to a preflight: https://fetch.spec.whatwg.org/#cors-preflight-request."""
        self.require_admission()
        methods = self.methods()
        self.set_header("Allow", ", ".join(methods))
        requested = self.header("Access-Control-Request-Headers")
        for name, value in self.cors_policy.preflight_headers(self.cors, methods, requested):
            self.set_header(name, value)
        self.set_status(204)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Count the events that fail with this error; an unreadable body counts as one."""
        if self.request.method == self.event_method:
            _, cause, _ = kwargs.get("exc_info", (None, None, None))
            self._count_failed(as_api_error(cause, status_code))
        super().write_error(status_code, **kwargs)

    def _count_failed(self, error: ApiError) -> None:
        counters = self.pipeline.counters
        if not self._is_counted:
            self._count_arrived(1)
        if error.kind.may_retry:
            counters.refused += self._in_flight
        else:
            counters.rejected += self._in_flight
        self._in_flight = 0

    def on_events_read(self, events: int) -> None:
        """Note how many events the request has; called once, before any becomes durable."""
        self._count_arrived(events)

    def _count_arrived(self, events: int) -> None:
        self._is_counted = True
        self._in_flight = events
        self.pipeline.counters.arrived += events

    def count_rejected(self) -> None:
        """Count the events still in flight as rejected."""
        self.pipeline.counters.rejected += self._in_flight
        self._in_flight = 0

    def read_body(self) -> bytes:
        """Return the whole body, decompressed; raise the ApiError of an unacceptable one."""
        if self._body_error is not None:
            raise self._body_error
        body = bytes(self._body)
        self._release()
        if self._body_is_gzip or is_gzip(body):
            return gunzip(body, self.pipeline.max_body_bytes)
        return body

    def request_info(self) -> RequestInfo:
        """Return the metadata that the request adds to its events."""
        return RequestInfo(
            received_at=self.pipeline.received_at(),
            ip_address=self.client_address,
            user_agent=_decoded(self.header("User-Agent")),
        )

    async def make_durable(self, events: Sequence[Accepted]) -> AppendResult:
        """Make events durable; ApiError if they are refused."""
        lines = [event.line for event in events]
        if self.pipeline.deduplicates_generated_ids:
            event_ids: list[str | None] = [event.event_id for event in events]
        else:
            event_ids = [event.client_event_id for event in events]
        try:
            result = await self.pipeline.sink.append(lines, event_ids)
        except Refusal as refusal:
            if refusal.may_deliver:
                self._in_flight -= len(events)
                raise _refusal_error(refusal, events) from refusal
            raise _refusal_error(refusal) from refusal
        self._in_flight -= len(events)
        return result

    async def make_one_durable(self, outcome: Accepted | Rejected) -> "DurableEvent":
        """Make the request's only event durable; ApiError if it is rejected or refused."""
        self.on_events_read(1)
        if isinstance(outcome, Rejected):
            raise ApiError(outcome.code, outcome.message, details=outcome.problems)
        result = await self.make_durable([outcome])
        event = DurableEvent(
            result.kept_as.get(0, outcome.event_id),
            is_duplicate=bool(result.duplicates),
            is_conflict=bool(result.kept_as),
        )
        self.log_fields = event.log_fields()
        return event


async def in_turns(turns: Turns[_T]) -> _T:
    """Do work of any length and return its result; other requests run between its turns."""
    while True:
        try:
            next(turns)
        except StopIteration as done:
            result: _T = done.value
            return result
        await asyncio.sleep(0)


class DurableEvent(NamedTuple):
    """An event that is durable: now, or from an earlier request.

    `event_id` is the id under which it is kept: of a conflict not the one that the client sent.
    """

    event_id: str
    is_duplicate: bool
    is_conflict: bool

    def log_fields(self) -> dict[str, object]:
        """Return the fields for the access log."""
        fields: dict[str, object] = {"duplicate" if self.is_duplicate else "durable": 1}
        if self.is_conflict:
            fields["conflict"] = 1
        return fields | {"event_id": self.event_id}


def _refusal_error(refusal: Refusal, may_deliver: Sequence[Accepted] = ()) -> ApiError:
    details = [
        Problem("event_id", f"retry this event as {event.event_id}, and it is stored once")
        for event in may_deliver
    ]
    return ApiError(
        refusal.code, str(refusal), details=details, retry_after_s=refusal.retry_after_s
    )


# Tornado decodes headers as Latin-1, which maps each byte to the code point of the same number.
def _decoded(header: str | None) -> str | None:
    if header is None:
        return None
    header = header[:_MAX_USER_AGENT_CHARS]
    if header.isascii():
        return header
    return header.encode("latin-1", errors="replace").decode("utf-8", errors="replace")
