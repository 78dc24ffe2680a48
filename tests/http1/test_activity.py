import asyncio
from dataclasses import dataclass

from http1.activity import Activity
from tests.support.waiting import WAIT_S, let_tasks_run


@dataclass(eq=False)
class FakeConnection:
    awaits_body: bool = False
    closed: int = 0

    def close(self) -> None:
        self.closed += 1


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def connected(activity: Activity, awaits_body: bool = False) -> FakeConnection:
    connection = FakeConnection(awaits_body)
    activity.add(connection)
    activity.mark_idle(connection)
    return connection


def busy(activity: Activity, awaits_body: bool = False) -> FakeConnection:
    connection = connected(activity, awaits_body)
    activity.mark_busy(connection)
    return connection


def test_a_connection_is_open_from_the_moment_it_is_accepted_until_it_is_removed() -> None:
    activity, connection = Activity(), FakeConnection()
    seen = []
    for step in (activity.add, activity.mark_idle, activity.mark_busy, activity.discard):
        step(connection)
        seen.append(activity.open_connections)
    assert [1, 1, 1, 0] == seen


def test_a_connection_is_removed_only_once() -> None:
    activity = Activity()
    one, _ = connected(activity), connected(activity)
    activity.discard(one)
    activity.discard(one)
    assert 1 == activity.open_connections


def test_requests_are_in_flight_while_their_connections_are_busy() -> None:
    activity = Activity()
    one, other = connected(activity), connected(activity)
    seen = []
    for step in (activity.mark_busy, activity.mark_idle):
        for connection in (one, other):
            step(connection)
            seen.append(activity.in_flight)
    assert [1, 2, 1, 0] == seen


def test_a_request_ends_only_once() -> None:
    activity = Activity()
    one, _ = busy(activity), busy(activity)
    activity.mark_idle(one)
    activity.mark_idle(one)
    assert 1 == activity.in_flight


def test_a_request_ends_with_its_connection() -> None:
    activity = Activity()
    activity.discard(busy(activity))
    assert 0 == activity.in_flight


def test_only_requests_whose_body_is_late_are_closed() -> None:
    clock = Clock()
    activity = Activity(clock)
    late, complete = busy(activity, awaits_body=True), busy(activity)
    clock.now = 100.0
    young = busy(activity, awaits_body=True)
    assert 1 == activity.close_stalled(50.0)
    assert (1, 0, 0) == (late.closed, complete.closed, young.closed)


def test_only_connections_that_are_idle_for_long_are_closed() -> None:
    clock = Clock()
    activity = Activity(clock)
    idle, removed, used = connected(activity), connected(activity), connected(activity)
    in_use = busy(activity)
    activity.discard(removed)
    clock.now = 100.0
    young = connected(activity)
    activity.mark_busy(used)
    activity.mark_idle(used)
    assert 1 == activity.close_idle(50.0)
    others = (removed, used, in_use, young)
    assert (1, [0, 0, 0, 0]) == (idle.closed, [each.closed for each in others])


def test_the_connection_that_is_idle_for_longest_is_closed_to_make_room() -> None:
    activity = Activity()
    used, longest, newest = connected(activity), connected(activity), connected(activity)
    activity.mark_busy(used)
    activity.mark_idle(used)
    assert activity.close_longest_idle()
    assert (0, 1, 0) == (used.closed, longest.closed, newest.closed)


def test_no_connection_is_closed_twice_to_make_room() -> None:
    activity = Activity()
    connection = connected(activity)
    assert activity.close_longest_idle()
    assert not activity.close_longest_idle(), "it was closed twice"
    assert (1, 1) == (connection.closed, activity.open_connections)


def test_a_busy_connection_is_not_closed_to_make_room() -> None:
    activity = Activity()
    connection = busy(activity)
    assert not activity.close_longest_idle()
    assert 0 == connection.closed


def test_all_connections_are_closed_including_busy_ones() -> None:
    activity = Activity()
    idle, in_use = connected(activity), busy(activity)
    activity.close_all()
    assert (1, 1) == (idle.closed, in_use.closed)


async def test_waiting_for_requests_ends_with_the_last_one() -> None:
    activity = Activity()
    one, other = busy(activity), busy(activity)
    waiting = asyncio.ensure_future(activity.wait_for_requests(WAIT_S))
    activity.mark_idle(one)
    await let_tasks_run()
    assert not waiting.done(), "it did not wait for the other request"
    activity.mark_idle(other)
    assert await waiting


async def test_waiting_for_requests_is_bounded() -> None:
    activity = Activity()
    busy(activity)
    assert not await activity.wait_for_requests(0.001)


async def test_without_a_request_in_flight_there_is_nothing_to_wait_for() -> None:
    assert await Activity().wait_for_requests(0.0)
