"""Which requests are under way, so that a shutdown can let them finish."""

import asyncio


class Activity:
    """Counts requests between their headers and their answer.

    `draining` is set once, when the server begins to stop: from then on every answer asks
    the client to close its connection.
    """

    def __init__(self) -> None:
        self._under_way = 0
        self._idle = asyncio.Event()
        self.draining = False

    @property
    def under_way(self) -> int:
        """The number of requests that are not answered yet."""
        return self._under_way

    def begin(self) -> None:
        """A request's headers have come in."""
        self._under_way += 1

    def end(self) -> None:
        """A request is answered, or its client has gone."""
        self._under_way -= 1
        if self._under_way == 0:
            self._idle.set()

    async def idle(self, timeout_s: float) -> bool:
        """Wait until no request is under way, at most `timeout_s`; whether none is."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._under_way:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            return False
        return True
