"""The response to a batch, as a function of the outcomes."""

import pytest

from handlers.batch_response import BatchResponse
from validation.outcomes import Accepted, Rejected
from validation.problems import Problem

FIRST = Accepted("e1", b"{}", "e1")
SECOND = Accepted("e2", b"{}", None)
BAD = Rejected("invalid_event", "event_type is required", (Problem("event_type", "is required"),))
LARGE = Rejected("event_too_large", "the event is too large")


def response(
    *outcomes: Accepted | Rejected, duplicates: int = 0, kept_as: dict[int, str] | None = None
) -> BatchResponse:
    accepted = [each for each in outcomes if isinstance(each, Accepted)]
    return BatchResponse(outcomes, accepted, duplicates, kept_as or {})


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [((FIRST, SECOND), 200), ((FIRST, BAD), 207), ((BAD, LARGE), 400)],
    ids=["all", "some", "none"],
)
def test_the_status_says_whether_all_some_or_no_events_are_durable(
    outcomes: tuple[Accepted | Rejected, ...], status: int
) -> None:
    assert status == response(*outcomes).status


def test_a_duplicate_is_a_success() -> None:
    assert 200 == response(FIRST, SECOND, duplicates=2).status


def test_the_body_has_every_event_in_the_order_sent() -> None:
    assert {
        "status": "completed",
        "total_events": 4,
        "success_count": 2,
        "error_count": 2,
        "duplicate_count": 1,
        "event_ids": [None, "e1", None, "e2"],
        "errors": [
            {
                "index": 0,
                "code": "invalid_event",
                "message": "event_type is required",
                "details": [{"path": "event_type", "message": "is required"}],
            },
            {"index": 2, "code": "event_too_large", "message": "the event is too large"},
        ],
    } == response(BAD, FIRST, LARGE, SECOND, duplicates=1).body()


def test_a_batch_without_rejections_has_no_errors() -> None:
    body = response(FIRST, SECOND).body()
    assert ["e1", "e2"] == body["event_ids"]
    assert 0 == body["error_count"]
    assert "errors" not in body


@pytest.mark.parametrize(
    ("outcomes", "duplicates", "fields"),
    [
        ((FIRST, SECOND), 0, {"durable": 2}),
        ((FIRST, SECOND), 1, {"durable": 1, "duplicates": 1}),
        (
            (FIRST, BAD, LARGE),
            0,
            {"durable": 1, "rejected": 2, "first_rejection": "event_type is required"},
        ),
    ],
)
def test_the_log_has_the_counts_and_the_first_reason(
    outcomes: tuple[Accepted | Rejected, ...], duplicates: int, fields: dict[str, object]
) -> None:
    assert fields == response(*outcomes, duplicates=duplicates).log_fields()


def test_a_conflict_is_a_success_with_the_id_under_which_it_is_kept() -> None:
    found = response(BAD, FIRST, SECOND, kept_as={1: "e2~8d"})
    assert (207, [None, "e1", "e2~8d"]) == (found.status, found.body()["event_ids"])
    assert [2] == found.body()["conflicts"]
    assert 1 == found.log_fields()["conflicts"]


def test_a_batch_without_conflicts_does_not_mention_them() -> None:
    assert "conflicts" not in response(FIRST).body() | response(FIRST).log_fields()
