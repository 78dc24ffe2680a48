"""Which requests are under way, so that a shutdown can let them finish."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Request(Protocol):
    """A request under way; `is_reading` as long as its body is not complete."""

    is_reading: bool

    def abort(self) -> None:
        """Close its connection."""


class Activity:
    """Knows the requests between their headers and their answer.

    `draining` is set once, when the server begins to stop: from then on every answer asks
    the client to close its connection. `monotonic` gives seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._begun: dict[Request, float] = {}
        self._idle = asyncio.Event()
        self.draining = False

    @property
    def under_way(self) -> int:
        """The number of requests that are not answered yet."""
        return len(self._begun)

    def begin(self, request: Request) -> None:
        """A request's headers have come in."""
        self._begun[request] = self._monotonic()

    def end(self, request: Request) -> None:
        """A request is answered, or its client has gone; once more changes nothing."""
        self._begun.pop(request, None)
        if not self._begun:
            self._idle.set()

    def abort_stalled(self, limit_s: float) -> int:
        """Abort the requests whose bodies have not come within `limit_s`; how many there were.

        A timer for each request, which Tornado's `body_timeout` is, costs a tenth of a request.
        """
        begun_before = self._monotonic() - limit_s
        stalled = [
            request
            for request, begun in self._begun.items()
            if request.is_reading and begun < begun_before
        ]
        for request in stalled:
            request.abort()
        return len(stalled)

    async def idle(self, timeout_s: float) -> bool:
        """Wait until no request is under way, at most `timeout_s`; whether none is."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._begun:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            return False
        return True
