from collections.abc import Sequence

import pytest

from http1.activity import Activity, Part, Progress
from http1.watchdog import _LINGER_S, TimeLimits, Watchdog
from tests.http1.test_activity import Clock, busy, closing, connected


def test_the_idle_are_ended_and_the_closing_are_closed() -> None:
    clock = Clock()
    activity = Activity(clock)
    idle, told, in_use = connected(activity), closing(activity), busy(activity)
    watchdog = Watchdog(activity, TimeLimits(idle_s=100.0))
    seen = []
    for now in (_LINGER_S + 1, 101.0):
        clock.now = now
        watchdog.check()
        seen.append((told.closed > 0, idle.ended > 0, in_use.closed > 0))
    assert [(True, False, False), (True, True, False)] == seen


def checked(activity: Activity, clock: Clock, at: Sequence[float]) -> Watchdog:
    watchdog = Watchdog(activity, TimeLimits(body_s=30.0, body_min_rate=100.0))
    for clock.now in at:
        watchdog.check()
    return watchdog


def test_a_head_has_half_a_minute_and_other_connections_have_their_time() -> None:
    clock = Clock()
    activity = Activity(clock)
    late = connected(activity, progress=Progress(Part.HEAD, 0, 0))
    others = [connected(activity), busy(activity)]
    watchdog = checked(activity, clock, [0.0, 29.9])
    assert 0 == late.timed_out
    clock.now = 30.0
    watchdog.check()
    assert (1, [0, 0]) == (late.timed_out, [each.timed_out for each in others])


def test_the_head_of_the_next_request_has_a_time_of_its_own() -> None:
    clock = Clock()
    activity = Activity(clock)
    quick = connected(activity, progress=Progress(Part.HEAD, 0, 0))
    watchdog = checked(activity, clock, [0.0, 25.0])
    quick.progress = Progress(Part.HEAD, 1, 0)
    for clock.now in (30.0, 55.0):
        watchdog.check()
    assert 0 == quick.timed_out
    clock.now = 60.0
    watchdog.check()
    assert 1 == quick.timed_out


@pytest.mark.parametrize(
    ("rate", "least", "is_late"),
    [(100, 100.0, False), (99, 100.0, True), (0, 100.0, True), (1, 0.0, False), (0, 0.0, True)],
)
def test_a_body_may_take_any_time_at_the_least_rate(rate: int, least: float, is_late: bool) -> None:
    clock = Clock()
    activity = Activity(clock)
    body = busy(activity, progress=Progress(Part.BODY, 1, 0))
    watchdog = Watchdog(activity, TimeLimits(body_s=30.0, body_min_rate=least))
    for second in range(0, 3600, 5):
        clock.now = second
        body.progress = Progress(Part.BODY, 1, second * rate)
        watchdog.check()
    assert is_late == (body.timed_out > 0)


def test_a_fast_beginning_of_a_body_does_not_buy_a_pause_later() -> None:
    clock = Clock()
    activity = Activity(clock)
    body = busy(activity, progress=Progress(Part.BODY, 1, 0))
    watchdog = checked(activity, clock, [0.0])
    body.progress = Progress(Part.BODY, 1, 5_000_000)
    for clock.now in (30.0, 60.0):
        watchdog.check()
    assert 1 == body.timed_out


def test_a_request_whose_rest_has_arrived_by_now_is_asked_again_later() -> None:
    clock = Clock()
    activity = Activity(clock)
    body = busy(activity, progress=Progress(Part.BODY, 1, 0), times_out=False)
    checked(activity, clock, [0.0, 30.0, 35.0])
    assert 2 == body.timed_out


def test_a_response_may_take_any_time_as_long_as_the_client_reads() -> None:
    clock = Clock()
    activity = Activity(clock)
    reading = closing(activity, is_sending=True)
    stuck = busy(activity, progress=Progress(Part.RESPONSE, 1, -1000))
    watchdog = Watchdog(activity, TimeLimits())
    for second in range(0, 600, 5):
        clock.now = second
        reading.progress = Progress(Part.RESPONSE, 1, second - 1000)
        watchdog.check()
    assert (True, 0, 0) == (stuck.timed_out > 0, reading.timed_out, reading.closed)
