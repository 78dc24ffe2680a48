"""Events in over HTTP: one, or a batch."""

from handlers.batch_response import BatchOutcome
from handlers.errors import ApiError
from handlers.ingest import IngestHandler
from validation.outcomes import Accepted, Rejected
from validation.reader import BodyError

# The one that is in use, and those that people send.
_NDJSON = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}
)


class EventHandler(IngestHandler):
    """`/api/v1/events`: one event."""

    async def post(self) -> None:
        """Store the event in the body."""
        stored = await self.store_one(self.ingest.reader.single(self.body(), self.request_info()))
        answer: dict[str, object] = {
            "status": "success",
            "event_id": stored.event_id,
            "message": "Event ingested successfully",
        }
        if stored.is_duplicate:
            answer["duplicate"] = True
        self.answer(200, answer)


class BatchHandler(IngestHandler):
    """`/api/v1/events/batch`: a JSON array of events, or one on each line."""

    async def post(self) -> None:
        """Store the good events in the body, and tell of the others."""
        outcomes = self._read()
        self.arrive(len(outcomes))
        accepted = [outcome for outcome in outcomes if isinstance(outcome, Accepted)]
        duplicates = len(await self.store(accepted)) if accepted else 0
        self.reject_the_rest()
        found = BatchOutcome(outcomes, accepted, duplicates)
        self.log_fields = found.log_fields()
        self.answer(found.status, found.body())

    def _read(self) -> list[Accepted | Rejected]:
        reader = self.ingest.reader
        content_type = self.header("Content-Type") or ""
        is_ndjson = content_type.partition(";")[0].strip().lower() in _NDJSON
        read = reader.ndjson if is_ndjson else reader.batch
        try:
            return read(self.body(), self.request_info())
        except BodyError as error:
            raise ApiError(error.code, error.message) from error
