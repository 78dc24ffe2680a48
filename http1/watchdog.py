"""Time limits of connections: periodic checks of all of them, which cost less than timers.

A timer for each request, like Tornado's `body_timeout`, costs a tenth of a request.
"""

from dataclasses import dataclass
from typing import NamedTuple

from tornado.ioloop import PeriodicCallback

from http1.activity import Activity, Connection, Part, Progress
from logs.events import get_logger

_log = get_logger(__name__)

_CHECK_INTERVAL_S = 5
_HEAD_S = 30.0
# The time for a client to read at least some of a response.
_UNREAD_S = 30.0
# The time for a client to close its side after its last response, while its input is discarded.
_LINGER_S = 5


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """The time that a client may take.

    A connection may be idle for `idle_s`. A body needs `body_min_rate`, in bytes/s, on average over
    each `body_s`; with a rate of 0, one byte.
    """

    idle_s: float = 120.0
    body_s: float = 30.0
    body_min_rate: float = 100.0


class _Window(NamedTuple):
    """A progress, and the time at which it was seen."""

    progress: Progress
    since: float


class Watchdog:
    """Ends the connections of clients that exceed a limit, up to two check intervals later."""

    def __init__(self, activity: Activity, limits: TimeLimits) -> None:
        self._activity = activity
        self._limits = limits
        self._windows: dict[Connection, _Window] = {}
        self._late = 0
        self._timer = PeriodicCallback(self.check, _CHECK_INTERVAL_S * 1000)

    def start(self) -> None:
        """Check periodically from now on."""
        self._timer.start()

    def stop(self) -> None:
        """Check no more."""
        self._timer.stop()

    def check(self) -> None:
        """Check all connections once."""
        self._activity.end_idle(self._limits.idle_s)
        self._activity.close_lingering(_LINGER_S)
        now = self._activity.monotonic()
        windows = {each: self._window(each, now) for each in self._activity.established}
        self._windows = {each: window for each, window in windows.items() if window is not None}
        if self._late:
            _log.warning("clients were too slow", connections=self._late)
            self._late = 0

    def _window(self, connection: Connection, now: float) -> _Window | None:
        """Return what to compare the next check with; end a connection that is too slow."""
        progress = connection.progress
        if progress is None:
            return None
        window = self._windows.get(connection)
        if window is None or progress.waits_for != window.progress.waits_for:
            return _Window(progress, now)
        elapsed_s = now - window.since
        if elapsed_s < self._limit_s(progress.part):
            return window
        if self._is_fast_enough(progress.part, progress.done - window.progress.done, elapsed_s):
            return _Window(progress, now)
        self._late += connection.time_out()
        return window

    def _limit_s(self, part: Part) -> float:
        return {Part.HEAD: _HEAD_S, Part.BODY: self._limits.body_s, Part.RESPONSE: _UNREAD_S}[part]

    def _is_fast_enough(self, part: Part, done: int, elapsed_s: float) -> bool:
        match part:
            case Part.HEAD:
                return False
            case Part.BODY:
                return done >= max(1, self._limits.body_min_rate * elapsed_s)
            case Part.RESPONSE:
                return done > 0
