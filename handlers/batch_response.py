"""The response to a batch: the outcome of each event, in the order sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from validation.outcomes import Accepted, Rejected


@dataclass(frozen=True, slots=True)
class BatchResponse:
    """A batch's response: `accepted` are durable, and `duplicates` of them were so before.

    `kept_as` has the ids of conflicts, by index in `accepted`: those of events that are kept under
    another id than their own.
    """

    outcomes: Sequence[Accepted | Rejected]
    accepted: Sequence[Accepted]
    duplicates: int
    kept_as: Mapping[int, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status: 200 if all events are durable, 207 if some are, 400 if none is."""
        if len(self.accepted) == len(self.outcomes):
            return 200
        return 207 if self.accepted else 400

    @property
    def _rejections(self) -> list[tuple[int, Rejected]]:
        if len(self.accepted) == len(self.outcomes):
            return []
        return [(at, each) for at, each in enumerate(self.outcomes) if isinstance(each, Rejected)]

    def body(self) -> dict[str, object]:
        """Return the body, for JSON."""
        errors = [_error(index, each) for index, each in self._rejections]
        event_ids = self._event_ids()
        body: dict[str, object] = {
            "status": "completed",
            "total_events": len(self.outcomes),
            "success_count": len(self.accepted),
            "error_count": len(errors),
            "duplicate_count": self.duplicates,
            "event_ids": event_ids,
        }
        if self.kept_as:
            kept = set(self.kept_as.values())
            body["conflicts"] = [i for i, event_id in enumerate(event_ids) if event_id in kept]
        if errors:
            body["errors"] = errors
        return body

    def _event_ids(self) -> list[str | None]:
        if len(self.accepted) == len(self.outcomes) and not self.kept_as:
            return [each.event_id for each in self.accepted]
        kept = iter(
            [self.kept_as.get(index, each.event_id) for index, each in enumerate(self.accepted)]
        )
        return [next(kept) if isinstance(each, Accepted) else None for each in self.outcomes]

    def log_fields(self) -> dict[str, object]:
        """Return the fields for the access log."""
        fields: dict[str, object] = {"durable": len(self.accepted) - self.duplicates}
        if self.duplicates:
            fields["duplicates"] = self.duplicates
        if self.kept_as:
            fields["conflicts"] = len(self.kept_as)
        if rejected := self._rejections:
            fields["rejected"] = len(rejected)
            fields["first_rejection"] = rejected[0][1].message
        return fields


def _error(index: int, outcome: Rejected) -> dict[str, object]:
    details = [{"path": each.path, "message": each.message} for each in outcome.problems]
    error: dict[str, object] = {
        "index": index,
        "code": outcome.code,
        "message": outcome.message,
    }
    if details:
        error["details"] = details
    return error
