"""The endpoints for events in a request's body: one event, or a batch."""

from handlers.ingest import IngestHandler


class EventHandler(IngestHandler):
    """`/api/v1/events`: one event."""

    async def post(self) -> None:
        """Make the event in the body durable."""
        self.send_reply(await self.ingestion.one_event(self.read_body()))


class BatchHandler(IngestHandler):
    """`/api/v1/events/batch`: a JSON array of events, or NDJSON."""

    async def post(self) -> None:
        """Make the valid events in the body durable, and report the others."""
        self.send_reply(await self.ingestion.batch(self.read_body()))
