"""The state of delivery, for operators and monitoring."""

import time

from storage.counters import Counters
from storage.delivery.shipper import Shipper
from storage.journal.backlog import Backlog
from storage.journal.journal import Journal


def delivery_status(
    backlog: Backlog, journal: Journal, shipper: Shipper, counters: Counters, now: float
) -> dict[str, object]:
    """Return counts of events, backlog, last delivery and last error; `now` is in Unix seconds.

    Nothing in it names the bucket or an identity: `/health` is open to everybody who can
    reach the server.
    """
    counts = backlog.counts()
    begun_at = [at for at in (counts.oldest_at, journal.open_since) if at is not None]
    failure = shipper.last_failure
    pending = counts.events + journal.held_events
    return {
        "events": counters.report(pending),
        "backlog": {
            "events": pending,
            "bytes": counts.disk_bytes + journal.held_bytes,
            "seconds": round(max(0.0, now - min(begun_at, default=now)), 1),
        },
        "already_in_store": shipper.already_in_store,
        "late_conflicts": shipper.late_conflicts,
        "unverified": shipper.unverified,
        "last_delivery": _text(shipper.last_delivery_at),
        "last_error": failure
        and {
            "timestamp": _text(failure.at),
            "code": failure.code,
            "permanent": failure.permanent,
        },
    }


def _text(at: float | None) -> str | None:
    if at is None:
        return None
    milliseconds = int(at * 1000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{stamp}.{milliseconds % 1000:03d}Z"
