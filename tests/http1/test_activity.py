from dataclasses import dataclass
from typing import Any

from http1.activity import Activity, Progress


@dataclass(eq=False)
class FakeConnection:
    progress: Progress | None = None
    is_quiet: bool = True
    is_sending: bool = False
    times_out: bool = True
    ended: int = 0
    timed_out: int = 0
    closed: int = 0

    def end(self) -> None:
        self.ended += 1

    def time_out(self) -> bool:
        self.timed_out += 1
        return self.times_out

    def close(self) -> None:
        self.closed += 1


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def connected(activity: Activity, **facts: Any) -> FakeConnection:
    connection = FakeConnection(**facts)
    activity.add(connection)
    activity.mark_idle(connection)
    return connection


def busy(activity: Activity, **facts: Any) -> FakeConnection:
    connection = connected(activity, **facts)
    activity.mark_busy(connection)
    return connection


def closing(activity: Activity, **facts: Any) -> FakeConnection:
    connection = connected(activity, **facts)
    activity.mark_closing(connection)
    return connection


def test_a_connection_is_open_from_the_moment_it_is_accepted_until_it_is_removed() -> None:
    activity, connection = Activity(), FakeConnection()
    seen = []
    for step in (
        activity.add,
        activity.mark_idle,
        activity.mark_busy,
        activity.mark_closing,
        activity.discard,
    ):
        step(connection)
        seen.append(activity.open_connections)
    assert [1, 1, 1, 1, 0] == seen


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
    for step in (activity.mark_busy, activity.mark_closing):
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


def test_only_connections_that_are_idle_for_long_are_ended() -> None:
    clock = Clock()
    activity = Activity(clock)
    idle, removed, used = connected(activity), connected(activity), connected(activity)
    in_use, told = busy(activity), closing(activity)
    activity.discard(removed)
    clock.now = 100.0
    young = connected(activity)
    activity.mark_busy(used)
    activity.mark_idle(used)
    assert 1 == activity.end_idle(50.0)
    others = (removed, used, in_use, told, young)
    assert (1, [0] * 5) == (idle.ended, [each.ended for each in others])


def test_a_connection_on_which_a_request_has_arrived_is_not_ended_as_idle() -> None:
    activity = Activity()
    connection = connected(activity, is_quiet=False)
    assert (0, 0) == (activity.end_idle(-1), connection.ended)


def test_a_connection_is_closed_when_its_client_does_not_close_it_in_time() -> None:
    clock = Clock()
    activity = Activity(clock)
    late, idle, in_use = closing(activity), connected(activity), busy(activity)
    sending = closing(activity, is_sending=True)
    clock.now = 10.0
    young = closing(activity)
    assert 1 == activity.close_lingering(5.0)
    others = (idle, in_use, sending, young)
    assert (1, [0] * 4) == (late.closed, [each.closed for each in others])


def test_the_connection_that_is_idle_for_longest_is_closed_to_make_room() -> None:
    activity = Activity()
    used, longest, newest = connected(activity), connected(activity), connected(activity)
    activity.mark_busy(used)
    activity.mark_idle(used)
    assert activity.make_room()
    assert (0, 1, 0) == (used.closed, longest.closed, newest.closed)


def test_a_connection_that_gets_no_more_responses_is_the_first_to_make_room() -> None:
    activity = Activity()
    idle, told = connected(activity), closing(activity)
    assert activity.make_room()
    assert (0, 1) == (idle.closed, told.closed)


def test_no_connection_is_closed_twice_to_make_room() -> None:
    activity = Activity()
    connection = connected(activity)
    assert [True, False] == [activity.make_room(), activity.make_room()]
    assert (1, 1) == (connection.closed, activity.open_connections)


def test_no_connection_that_is_in_use_is_closed_to_make_room() -> None:
    activity = Activity()
    in_use = [
        busy(activity),
        connected(activity, is_quiet=False),
        closing(activity, is_sending=True),
    ]
    assert not activity.make_room()
    assert [0] * 3 == [each.closed for each in in_use]


def test_all_connections_are_closed_including_busy_ones() -> None:
    activity = Activity()
    all_of_them = [connected(activity), busy(activity), closing(activity)]
    activity.close_all()
    assert [1] * 3 == [each.closed for each in all_of_them]


def test_the_responses_that_clients_do_not_read_are_limited_for_all_of_them() -> None:
    activity = Activity(max_unread_bytes=100)
    longest, read, newest = busy(activity), busy(activity), busy(activity)
    activity.mark_unread(longest, 50)
    activity.mark_unread(read, 50)
    activity.mark_read(read)
    activity.mark_unread(newest, 50)
    assert 0 == longest.closed
    activity.mark_unread(newest, 51)
    assert (1, 0, 0) == (longest.closed, read.closed, newest.closed)


def test_a_response_that_is_being_written_is_not_cut_off_for_its_size() -> None:
    activity = Activity(max_unread_bytes=100)
    only = busy(activity)
    activity.mark_unread(only, 101)
    assert 0 == only.closed


def test_what_a_closed_connection_has_not_read_counts_no_more() -> None:
    activity = Activity(max_unread_bytes=100)
    gone, one, other = busy(activity), busy(activity), busy(activity)
    activity.mark_unread(gone, 100)
    activity.discard(gone)
    activity.mark_unread(one, 50)
    activity.mark_unread(other, 50)
    assert (0, 0, 0) == (gone.closed, one.closed, other.closed)
