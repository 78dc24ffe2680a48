"""Time limits of connections: periodic checks of all of them, which cost less than timers."""

from dataclasses import dataclass

from tornado.ioloop import PeriodicCallback

from http1.activity import Activity
from logs.events import get_logger

_log = get_logger(__name__)

_CHECK_INTERVAL_S = 5
_STALLED_S = 120
# The time for a client to close its side after its last response, while its input is discarded.
_LINGER_S = 5


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """The time in seconds that a client may take."""

    idle_s: float = 120.0


class Watchdog:
    """Closes the connections of clients that exceed a limit, up to `_CHECK_INTERVAL_S` later."""

    def __init__(self, activity: Activity, limits: TimeLimits) -> None:
        self._activity = activity
        self._limits = limits
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
        stalled = self._activity.close_stalled(_STALLED_S)
        if stalled:
            _log.warning("requests did not arrive in time", requests=stalled, seconds=_STALLED_S)
