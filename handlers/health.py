"""Liveness and readiness, for people, load balancers and supervisors."""

from collections.abc import Callable

from handlers.base import BaseHandler
from handlers.errors import ApiError
from http1.activity import Activity
from storage.refusals import Refusal


class HealthHandler(BaseHandler):
    """`/health`: 200 as long as the process responds, with a report for people."""

    def initialize(  # type: ignore[override]
        self, activity: Activity, report: Callable[[], dict[str, object]]
    ) -> None:
        """Take the dependencies."""
        super().initialize(activity)
        self._report = report

    def get(self) -> None:
        """Send the report."""
        self.respond(200, self._report())

    def head(self) -> None:
        """Send the headers of the report alone."""
        self.get()


class ReadyHandler(BaseHandler):
    """`/ready`: 200 while the server accepts events, otherwise 503 with the reason."""

    def initialize(  # type: ignore[override]
        self, activity: Activity, refusal: Callable[[], Refusal | None]
    ) -> None:
        """Take the dependencies."""
        super().initialize(activity)
        self._refusal = refusal

    def get(self) -> None:
        """Respond with 200, or with the 503 with which an event would be refused now."""
        refusal = self._refusal()
        if self.activity.stopping:
            raise ApiError(
                "shutting_down", "the server is shutting down: retry later", retry_after_s=5
            )
        if refusal is not None:
            raise ApiError(refusal.code, str(refusal), retry_after_s=refusal.retry_after_s)
        self.respond(200, {"status": "ready"})

    def head(self) -> None:
        """Send the status alone."""
        self.get()
