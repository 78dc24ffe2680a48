"""Tornado's handlers of requests that bring events: CORS preflights, bodies in pieces, errors."""

from typing import Any

from handlers.admission import AdmissionPolicy
from handlers.base import BaseHandler
from handlers.body import DISCARDED_BYTES, BodyHeaders, body_too_large, server_busy
from handlers.errors import ApiError, as_api_error
from handlers.ingestion import Ingestion, IngestPipeline, decide_admission
from handlers.reply import Reply
from http1.activity import Activity


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
        self.ingestion = Ingestion(pipeline, self.facts, self.client_address)

    def prepare(self) -> None:
        """Decide by the headers on admission and on the body, which may have come in already."""
        super().prepare()
        self._admission = decide_admission(
            self._admission_policy, self.head_rules, self.facts, self.identity
        )
        if self.request.method == "POST":
            self._decide_on_body()

    def require_admission(self) -> None:
        """Raise the ApiError of a request that is not admitted."""
        if self._admission.error is not None:
            raise self._admission.error

    def _decide_on_body(self) -> None:
        headers = BodyHeaders.of(self.facts)
        head_error = headers.error(self.pipeline.max_body_bytes)
        self._body_error = self._admission.error or head_error or self._body_error
        length = headers.content_length or 0
        if self._body_error is not None and (
            length > DISCARDED_BYTES or self._waits_for_continue()
        ):
            self.closes_connection = True
            raise self._body_error

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
        for name, value in self.head_rules.origins.preflight_headers(self.cors, methods, requested):
            self.set_header(name, value)
        self.set_status(204)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Count the events that fail with this error; an unreadable body counts as one."""
        if self.request.method == self.event_method:
            _, cause, _ = kwargs.get("exc_info", (None, None, None))
            self.ingestion.count_failed(as_api_error(cause, status_code))
        super().write_error(status_code, **kwargs)

    def read_body(self) -> bytes:
        """Return the whole body as sent; raise the ApiError of an unacceptable one."""
        if self._body_error is not None:
            raise self._body_error
        body = bytes(self._body)
        self._release()
        return body

    def send_reply(self, reply: Reply) -> None:
        """Send the reply of the ingestion."""
        self.log_fields = reply.log_fields
        self.respond(reply.status, reply.body)
