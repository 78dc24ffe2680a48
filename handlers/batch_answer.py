"""The answer to a batch: what became of each event, in the order sent."""

from validation.outcomes import Accepted, Rejected


def batch_status(total: int, stored: int) -> int:
    """The HTTP status: 200 if all are stored, 207 if some are, 400 if none is."""
    if stored == total:
        return 200
    return 207 if stored else 400


def batch_body(outcomes: list[Accepted | Rejected], duplicates: int) -> dict[str, object]:
    """The body; `duplicates` of the accepted events were stored before."""
    errors = [
        _error(index, outcome)
        for index, outcome in enumerate(outcomes)
        if isinstance(outcome, Rejected)
    ]
    body: dict[str, object] = {
        "status": "completed",
        "total_events": len(outcomes),
        "success_count": len(outcomes) - len(errors),
        "error_count": len(errors),
        "duplicate_count": duplicates,
        "event_ids": [
            outcome.event_id if isinstance(outcome, Accepted) else None for outcome in outcomes
        ],
    }
    if errors:
        body["errors"] = errors
    return body


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


def batch_log_fields(outcomes: list[Accepted | Rejected], duplicates: int) -> dict[str, object]:
    """What the log says of it."""
    rejected = [outcome for outcome in outcomes if isinstance(outcome, Rejected)]
    fields: dict[str, object] = {"stored": len(outcomes) - len(rejected) - duplicates}
    if duplicates:
        fields["duplicates"] = duplicates
    if rejected:
        fields["rejected"] = len(rejected)
        fields["first_rejection"] = rejected[0].message
    return fields
