"""Waiting for processes, threads, browsers and tasks.

No test depends on their speed: the limit only ends a test that would never end.
"""

import asyncio
import time
from collections.abc import Callable

WAIT_S = 120.0
_POLL_S = 0.01
_TURNS = 100


def wait_until(condition: Callable[[], object], state: Callable[[], object] = str) -> None:
    """Return when the condition is true; fail with `state()` if that takes over two minutes."""
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until, state()
        time.sleep(_POLL_S)


async def until(condition: Callable[[], object]) -> None:
    """Return when the condition is true; TimeoutError if that takes over two minutes."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(_POLL_S)


async def let_tasks_run() -> None:
    """Let the event loop turn 100 times, so that every task runs as far as it can."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


async def standstill(progress: Callable[[], int]) -> int:
    """Return the value of `progress` as soon as all tasks have run without changing it."""
    before = progress()
    await let_tasks_run()
    while before != (before := progress()):
        await let_tasks_run()
    return before
