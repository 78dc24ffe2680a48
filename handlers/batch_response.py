"""The response to a batch: the outcome of each event, in the order sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from validation.outcomes import Accepted, Rejected
from validation.problems import excerpt

# So a response to a batch of short ids has at most about 1 MiB, whatever its events contain.
MAX_ERRORS_BYTES = 768 * 1024


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
        """Return the body, for JSON.

        Errors have their details as long as these take half of MAX_ERRORS_BYTES; the next ones are
        short; those beyond MAX_ERRORS_BYTES are only counted, in `more_errors`.
        """
        rejections = self._rejections
        errors = _errors(rejections)
        event_ids = self._event_ids()
        body: dict[str, object] = {
            "status": "completed",
            "total_events": len(self.outcomes),
            "success_count": len(self.accepted),
            "error_count": len(rejections),
            "duplicate_count": self.duplicates,
            "event_ids": event_ids,
        }
        if self.kept_as:
            kept = set(self.kept_as.values())
            body["conflicts"] = [i for i, event_id in enumerate(event_ids) if event_id in kept]
        if errors:
            body["errors"] = errors
        if len(errors) < len(rejections):
            body["more_errors"] = len(rejections) - len(errors)
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


def _errors(rejections: Sequence[tuple[int, Rejected]]) -> list[dict[str, object]]:
    errors: list[dict[str, object]] = []
    room = MAX_ERRORS_BYTES
    for index, outcome in rejections:
        error = _error(index, outcome)
        size = len(orjson.dumps(error))
        if room - size < MAX_ERRORS_BYTES // 2:
            error = _short_error(index, outcome)
            size = len(orjson.dumps(error))
        if size > room:
            break
        room -= size
        errors.append(error)
    return errors


def _error(index: int, outcome: Rejected) -> dict[str, object]:
    error: dict[str, object] = {
        "index": index,
        "code": outcome.code,
        "message": outcome.message,
    }
    details = [{"path": each.path, "message": each.message} for each in outcome.problems]
    if details:
        error["details"] = details
    if outcome.more_problems:
        error["more_details"] = outcome.more_problems
    return error


def _short_error(index: int, outcome: Rejected) -> dict[str, object]:
    error: dict[str, object] = {
        "index": index,
        "code": outcome.code,
        "message": excerpt(outcome.message),
    }
    if outcome.problems:
        error["more_details"] = len(outcome.problems) + outcome.more_problems
    return error
