"""The core of ingestion: what the events of one request become, without a connection.

From the facts of a request's head and its body follow the reply, the counters and the fields of the
log line; nothing here uses Tornado's handlers or a socket. `IngestHandler` calls it for every
request that Tornado handles, `DirectIngest` for the plain ones that do not need Tornado.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

from handlers.admission import Admission, AdmissionPolicy, RequestFacts
from handlers.batch_response import BatchResponse
from handlers.body import BodyBudget, BodyHeaders, gunzip, is_gzip
from handlers.errors import ApiError
from handlers.head import Facts, HeadRules, Identity
from handlers.reply import Reply
from storage.refusals import Refusal
from validation.outcomes import Accepted, Rejected, RequestInfo
from validation.problems import Problem
from validation.reader import BodyError, EventReader
from validation.turns import Turns

_T = TypeVar("_T")

# The usual media type, and others that clients send.
_NDJSON = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}
)

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
    """The counters of events that ingestion keeps; the sink counts durable and duplicate ones."""

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


def decide_admission(
    policy: AdmissionPolicy, rules: HeadRules, facts: Facts, identity: Identity
) -> Admission:
    """Decide by its head whether a request may send events."""
    # Only the request of an image is judged by its page.
    referer = facts.referer if facts.method == "GET" else None
    own_hosts = () if referer is None else rules.own_hosts(facts)
    return policy.decide(RequestFacts(facts.method, identity.cors, referer, own_hosts))


class Ingestion:
    """The events of one admitted request.

    One of `one_event`, `batch` and `query_event` is called, once. If it raises, `count_failed` has
    to be called with the error that the client gets.
    """

    __slots__ = ("_client_address", "_facts", "_in_flight", "_is_counted", "_pipeline")

    def __init__(self, pipeline: IngestPipeline, facts: Facts, client_address: str) -> None:
        self._pipeline = pipeline
        self._facts = facts
        self._client_address = client_address
        self._is_counted = False
        self._in_flight = 0

    async def one_event(self, body: bytes) -> Reply:
        """Make the event in a body durable; ApiError if it is rejected or refused."""
        reader, body, info = self._pipeline.reader, self._plain(body), self._request_info()
        if reader.is_short(body):
            outcome = reader.single(body, info)
        else:
            outcome = await in_turns(reader.single_in_turns(body, info))
        event = await self._make_one_durable(outcome)
        response: dict[str, object] = {
            "status": "success",
            "event_id": event.event_id,
            "message": "Event ingested successfully",
        }
        if event.is_duplicate:
            response["duplicate"] = True
        if event.is_conflict:
            response["conflict"] = True
        return Reply(200, response, event.log_fields())

    async def batch(self, body: bytes) -> Reply:
        """Make the valid events in a body durable, and report the others."""
        outcomes = await self._read_batch(self._plain(body))
        self._count_arrived(len(outcomes))
        accepted = [outcome for outcome in outcomes if isinstance(outcome, Accepted)]
        result = await self._make_durable(accepted) if accepted else None
        self._pipeline.counters.rejected += self._in_flight
        self._in_flight = 0
        response = BatchResponse(
            outcomes,
            accepted,
            duplicates=len(result.duplicates) if result else 0,
            kept_as=result.kept_as if result else {},
        )
        return Reply(response.status, response.body(), response.log_fields())

    async def query_event(self, query: str) -> "DurableEvent":
        """Make the event in a query durable; ApiError if it is rejected or refused."""
        return await self._make_one_durable(
            self._pipeline.reader.query(query, self._request_info())
        )

    def count_failed(self, error: ApiError) -> None:
        """Count the events that fail with this error; an unreadable body counts as one."""
        counters = self._pipeline.counters
        if not self._is_counted:
            self._count_arrived(1)
        if error.kind.may_retry:
            counters.refused += self._in_flight
        else:
            counters.rejected += self._in_flight
        self._in_flight = 0

    def _plain(self, body: bytes) -> bytes:
        is_packed = is_gzip(body) or (
            self._facts.content_encoding is not None and BodyHeaders.of(self._facts).is_gzip
        )
        if is_packed:
            return gunzip(body, self._pipeline.max_body_bytes)
        return body

    # Called once, before any event becomes durable.
    def _count_arrived(self, events: int) -> None:
        self._is_counted = True
        self._in_flight = events
        self._pipeline.counters.arrived += events

    def _request_info(self) -> RequestInfo:
        """Return the metadata that the request adds to its events."""
        return RequestInfo(
            received_at=self._pipeline.received_at(),
            ip_address=self._client_address,
            user_agent=_decoded(self._facts.user_agent),
        )

    async def _read_batch(self, body: bytes) -> list[Accepted | Rejected]:
        reader = self._pipeline.reader
        content_type = self._facts.content_type or ""
        is_ndjson = content_type.partition(";")[0].strip().lower() in _NDJSON
        read = reader.ndjson_in_turns if is_ndjson else reader.batch_in_turns
        try:
            return await in_turns(read(body, self._request_info()))
        except BodyError as error:
            raise ApiError(error.code, error.message) from error

    async def _make_durable(self, events: Sequence[Accepted]) -> AppendResult:
        lines = [event.line for event in events]
        if self._pipeline.deduplicates_generated_ids:
            event_ids: list[str | None] = [event.event_id for event in events]
        else:
            event_ids = [event.client_event_id for event in events]
        try:
            result = await self._pipeline.sink.append(lines, event_ids)
        except Refusal as refusal:
            if refusal.may_deliver:
                self._in_flight -= len(events)
                raise _refusal_error(refusal, events) from refusal
            raise _refusal_error(refusal) from refusal
        self._in_flight -= len(events)
        return result

    async def _make_one_durable(self, outcome: Accepted | Rejected) -> "DurableEvent":
        self._count_arrived(1)
        if isinstance(outcome, Rejected):
            raise ApiError(outcome.code, outcome.message, details=outcome.problems)
        result = await self._make_durable([outcome])
        return DurableEvent(
            result.kept_as.get(0, outcome.event_id),
            is_duplicate=bool(result.duplicates),
            is_conflict=bool(result.kept_as),
        )


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
        fields["event_id"] = self.event_id
        return fields


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
