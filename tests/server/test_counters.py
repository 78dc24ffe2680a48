"""The counters on /health before and after restarts."""

from typing import Any

from tests.faults.faulty_s3 import FaultyS3
from tests.support.server_process import ServerProcess


def counts(server: ServerProcess) -> dict[str, Any]:
    """Return the counters that are not zero, after checking that they add up."""
    found: dict[str, Any] = server.health()["events"]
    assert found["received"] == sum(
        found[each] for each in ("durable", "duplicate", "rejected", "refused")
    )
    assert found["recovered"] + found["durable"] == sum(
        found[each] for each in ("delivered", "lost", "pending")
    )
    return {name: count for name, count in found.items() if count}


def test_every_event_is_counted_also_after_restarts(
    server: ServerProcess,
) -> None:
    with FaultyS3() as store:
        store.probabilities = {"SlowDown": 1.0}
        server.start(STORAGE_DIR=None, DRAIN_TIMEOUT="0s", **store.settings)
        server.post([{"event_id": f"e{n}", "event_type": "c"} for n in range(4)], "/api/v1/events")
        batch = [{"event_id": f"e{n % 5}", "event_type": "c"} for n in range(7)]
        server.post([*batch, {"event_type": ""}], "/api/v1/events/batch")
        seen = {"received": 9, "durable": 5, "duplicate": 2, "rejected": 2, "pending": 5}
        assert seen == counts(server)
        assert 0 == server.stop()
        server.start()
        assert {"recovered": 5, "pending": 5} == counts(server)
        server.post({"event_id": "e9", "event_type": "c"})
        server.kill()
        store.probabilities = {}
        server.start()
        server.wait_until_delivered()
        assert {"recovered": 6, "delivered": 6} == counts(server)


def test_events_destroyed_in_the_journal_are_counted_as_lost(
    server: ServerProcess,
) -> None:
    server.start(FLUSH_INTERVAL="1h")
    for size in (3, 2, 1):
        server.post([{"event_type": "c"} for _ in range(size)], "/api/v1/events/batch")
    server.kill()
    (path,) = server.journal.glob("*.open")
    head, *lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(head + b"".join([*lines[:4], b"garbage\n", *lines[5:]]))
    path.rename(path.with_name(path.name.replace(".open", ".6.sealed")))
    server.start()
    server.wait_until_delivered()
    assert {"recovered": 6, "delivered": 4, "lost": 2} == counts(server)
