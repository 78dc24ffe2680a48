"""Waiting for what a process, a thread or a browser does in its own time.

No test depends on how fast that is: the limit only ends a test that would never end.
"""

import time
from collections.abc import Callable

WAIT_S = 120.0
_POLL_S = 0.01


def wait_until(condition: Callable[[], object], state: Callable[[], object] = str) -> None:
    """Return when the condition is true; fail with `state()` if that takes over two minutes."""
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until, state()
        time.sleep(_POLL_S)
