"""The endpoint for events in an image's query, for mail and pages without JavaScript."""

from handlers.errors import ApiError
from handlers.ingest import IngestHandler

# The smallest image that every program displays: GIF89a, one transparent pixel.
GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff"
    b"!\xf9\x04\x01\x00\x00\x00\x00"
    b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)

_MAX_REASON_CHARS = 300
_EXPOSED = (
    "X-Request-Id, Retry-After, X-Event-Id, X-Event-Duplicate, X-Event-Conflict, X-Event-Error"
)


class PixelHandler(IngestHandler):
    """`/api/v1/pixel.gif`: one event in the query.

    A rejected event gets the GIF too, with the reason in a header. An event that may be retried
    gets JSON instead, so that the page's `onerror` is called and can retry.
    """

    event_method = "GET"

    async def get(self) -> None:
        """Make the event in the query durable."""
        self.require_admission()
        event = await self.ingestion.query_event(self.request.query)
        self.log_fields = event.log_fields()
        self.set_header("X-Event-Id", event.event_id)
        if event.is_duplicate:
            self.set_header("X-Event-Duplicate", "true")
        if event.is_conflict:
            self.set_header("X-Event-Conflict", "true")
        self._send_gif(200)

    def respond_error(self, error: ApiError) -> None:
        """Send the GIF if a retry would get the same error, otherwise JSON."""
        if self.request.method != self.event_method or error.kind.may_retry:
            super().respond_error(error)
            return
        self.set_header("X-Event-Error", _header_text(f"{error.kind.code}: {error.message}"))
        self._send_gif(error.status_code)

    def _send_gif(self, status: int) -> None:
        self.set_header("Content-Type", "image/gif")
        self.set_header("Cross-Origin-Resource-Policy", "cross-origin")
        if self.cors.origin is not None:
            self.set_header("Access-Control-Expose-Headers", _EXPOSED)
        self.send(status, GIF)


def _header_text(text: str) -> str:
    """Convert a message to a header's value: printable ASCII, at most 300 characters."""
    visible = "".join(c if c.isprintable() else " " for c in text)
    return visible.encode("ascii", "backslashreplace").decode("ascii")[:_MAX_REASON_CHARS]
