"""The response to a batch, as a function of the outcomes."""

from typing import Any

import orjson
import pytest

from handlers.batch_response import BatchResponse
from validation.outcomes import Accepted, Rejected
from validation.problems import MAX_PATH_CHARS, NO_PROBLEMS, Problem

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


def hostile(problems: int) -> Rejected:
    long = Problem("😀" * MAX_PATH_CHARS, "is an integer beyond 64 bits: send it as a string")
    found = NO_PROBLEMS.followed_by([long] * problems)
    return Rejected("invalid_event", found.summary(), found.first, found.more)


@pytest.mark.parametrize("events", [1000, 100_000])
def test_a_response_is_bounded_and_counts_what_it_leaves_out(events: int) -> None:
    body = response(*[hostile(50)] * events).body()
    errors: Any = body["errors"]
    assert len(orjson.dumps(errors)) < 1024 * 1024
    assert list(range(len(errors))) == [each["index"] for each in errors]
    assert events == len(errors) + body["more_errors"]  # type: ignore[operator]
    assert (20, 30) == (len(errors[0]["details"]), errors[0]["more_details"])
    assert ("details" in errors[-1], 50) == (False, errors[-1]["more_details"])


def test_a_thousand_errors_with_usual_messages_are_all_reported_with_details() -> None:
    body = response(*[BAD] * 1000).body()
    errors: Any = body["errors"]
    assert 1000 == len(errors)
    assert "more_errors" not in body
    assert all("details" in each for each in errors)


def test_an_index_is_exact_among_errors_without_details() -> None:
    pair: list[Accepted | Rejected] = [hostile(50), FIRST]
    body = response(*pair * 200, BAD).body()
    errors: Any = body["errors"]
    assert [*range(0, 400, 2), 400] == [each["index"] for each in errors]


def test_a_conflict_is_a_success_with_the_id_under_which_it_is_kept() -> None:
    found = response(BAD, FIRST, SECOND, kept_as={1: "e2~8d"})
    assert (207, [None, "e1", "e2~8d"]) == (found.status, found.body()["event_ids"])
    assert [2] == found.body()["conflicts"]
    assert 1 == found.log_fields()["conflicts"]


def test_a_batch_without_conflicts_does_not_mention_them() -> None:
    assert "conflicts" not in response(FIRST).body() | response(FIRST).log_fields()
