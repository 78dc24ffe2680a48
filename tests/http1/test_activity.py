import asyncio
from dataclasses import dataclass, field
from typing import Any

from http1.activity import Activity


@dataclass(eq=False)
class Link:
    closed: int = 0

    def close(self) -> None:
        self.closed += 1


@dataclass(eq=False)
class Call:
    is_reading: bool = True
    connection: Link = field(default_factory=Link)


def test_requests_are_in_flight_between_begin_and_end() -> None:
    activity = Activity()
    one, other = Call(), Call()
    seen = []
    for step in (activity.begin, activity.end):
        for call in (one, other):
            step(call)
            seen.append(activity.in_flight)
    assert [1, 2, 1, 0] == seen


def test_a_request_ends_only_once() -> None:
    activity = Activity()
    one, other = Call(), Call()
    activity.begin(one)
    activity.begin(other)
    activity.end(one)
    activity.end(one)
    assert 1 == activity.in_flight


def test_only_requests_whose_body_is_late_are_closed() -> None:
    now = [0.0]
    activity = Activity(lambda: now[0])
    late, answered, young = Call(), Call(is_reading=False), Call()
    activity.begin(late)
    activity.begin(answered)
    now[0] = 100.0
    activity.begin(young)
    assert (1, 1, 0, 0) == (
        activity.close_stalled(50.0),
        late.connection.closed,
        answered.connection.closed,
        young.connection.closed,
    )


def test_only_connections_that_wait_for_long_are_closed() -> None:
    now = [0.0]
    activity = Activity(lambda: now[0])
    idle, busy, ended, young, used = Call(), Call(), Call(), Call(), Call()
    for call in (idle, busy, ended, used):
        activity.wait(call.connection)
    activity.begin(busy)
    activity.forget(ended.connection)
    activity.forget(ended.connection)
    now[0] = 100.0
    activity.wait(young.connection)
    activity.wait(used.connection)
    closed = activity.close_idle(50.0)
    calls = (idle, busy, ended, young, used)
    assert (1, [1, 0, 0, 0, 0]) == (closed, [call.connection.closed for call in calls])


def test_waiting_for_idleness_ends_with_the_last_request(io_loop: Any) -> None:
    async def wait() -> list[bool]:
        activity = Activity()
        one, other = Call(), Call()
        activity.begin(one)
        activity.begin(other)
        waiting = asyncio.ensure_future(activity.idle(30.0))
        found = []
        for call in (one, other):
            activity.end(call)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            found.append(waiting.done())
        return [*found, await waiting]

    assert [False, True, True] == io_loop.run_sync(wait)


def test_waiting_for_idleness_is_bounded(io_loop: Any) -> None:
    async def wait() -> bool:
        activity = Activity()
        activity.begin(Call())
        return await activity.idle(0.001)

    assert not io_loop.run_sync(wait)


def test_nothing_in_flight_is_idle_at_once(io_loop: Any) -> None:
    async def wait() -> bool:
        return await Activity().idle(0.0)

    assert io_loop.run_sync(wait)
