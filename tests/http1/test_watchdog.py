from http1.activity import Activity
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
