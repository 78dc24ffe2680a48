"""The endpoints for events in a request's body: one event, or a batch."""

from handlers.batch_response import BatchResponse
from handlers.errors import ApiError
from handlers.ingest import IngestHandler, in_turns
from validation.outcomes import Accepted, Rejected
from validation.reader import BodyError

# The usual media type, and others that clients send.
_NDJSON = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}
)


class EventHandler(IngestHandler):
    """`/api/v1/events`: one event."""

    async def post(self) -> None:
        """Make the event in the body durable."""
        reader, body, info = self.pipeline.reader, self.read_body(), self.request_info()
        if reader.is_short(body):
            outcome = reader.single(body, info)
        else:
            outcome = await in_turns(reader.single_in_turns(body, info))
        event = await self.make_one_durable(outcome)
        response: dict[str, object] = {
            "status": "success",
            "event_id": event.event_id,
            "message": "Event ingested successfully",
        }
        if event.is_duplicate:
            response["duplicate"] = True
        if event.is_conflict:
            response["conflict"] = True
        self.respond(200, response)


class BatchHandler(IngestHandler):
    """`/api/v1/events/batch`: a JSON array of events, or NDJSON."""

    async def post(self) -> None:
        """Make the valid events in the body durable, and report the others."""
        outcomes = await self._read()
        self.on_events_read(len(outcomes))
        accepted = [outcome for outcome in outcomes if isinstance(outcome, Accepted)]
        result = await self.make_durable(accepted) if accepted else None
        self.count_rejected()
        response = BatchResponse(
            outcomes,
            accepted,
            duplicates=len(result.duplicates) if result else 0,
            kept_as=result.kept_as if result else {},
        )
        self.log_fields = response.log_fields()
        self.respond(response.status, response.body())

    async def _read(self) -> list[Accepted | Rejected]:
        reader = self.pipeline.reader
        content_type = self.header("Content-Type") or ""
        is_ndjson = content_type.partition(";")[0].strip().lower() in _NDJSON
        read = reader.ndjson_in_turns if is_ndjson else reader.batch_in_turns
        try:
            return await in_turns(read(self.read_body(), self.request_info()))
        except BodyError as error:
            raise ApiError(error.code, error.message) from error
