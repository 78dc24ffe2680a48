"""A run of the whole server under all faults at once, and a ledger of all events.

    python -m tests.faults.chaos [--seconds 60] [--seed N]

The server is killed, stopped and restarted at random moments, its disk is full or fails, its
store fails in every way that `faulty_s3` knows, and clients retry under the same id whatever
got no success. Then all faults end, the clients finish, the journal drains, and the ledger is
printed. The exit code is 1 if an event was lost or delivered twice, or if the counters on
`/health` did not add up.
"""

import argparse
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from tests.faults.faulty_s3 import ERRORS, FaultyS3
from tests.faults.senders import Record, Sender
from tests.support.objects import events_in
from tests.support.seaweed import free_ports
from tests.support.server_process import ServerProcess
from tests.support.waiting import WAIT_S

_SENDERS = 6
_DISK_FAULTS = (
    "full",
    "write ENOSPC",
    "write EIO",
    "sync EIO",
    "sync,truncate EIO",
    "rename EIO",
    "create EMFILE",
    "change EROFS",
)
_STORE_FAULTS = (
    *ERRORS,
    "reset_before",
    "reset_after",
    "hang_before",
    "hang_after",
    "truncated",
    "wrong_etag",
    "slow",
)
_FINISH_S = 300.0


class Chaos:
    """One run, with its server, its store and its clients."""

    def __init__(self, directory: Path, seed: int, store: FaultyS3) -> None:
        self.random = random.Random(seed)
        self.store = store
        self.record = Record()
        self.done: Counter[str] = Counter()
        self.broken: list[str] = []
        self._control = directory / "disk"
        (port,) = free_ports(1)
        self.server = ServerProcess(
            directory,
            {"STORAGE_DIR": None, "PORT": str(port), "LOG_LEVEL": "warning", **store.settings},
            module=("tests.faults.disk", str(self._control)),
        )
        self._url = f"http://127.0.0.1:{port}"
        self.senders = [Sender(f"s{n}", port, self.record, seed) for n in range(_SENDERS)]

    def start(self) -> None:
        """Start the server with random settings."""
        chance = self.random
        self.server.spawn(
            OBJECT_LAYOUT=chance.choice(["auto", "auto", "event", "batch"]),
            AUTO_BATCH_ABOVE=str(chance.choice([0, 20, 100])),
            FLUSH_INTERVAL=chance.choice(["20ms", "100ms", "500ms"]),
            SEGMENT_MAX_BYTES=chance.choice(["64KiB", "8MiB"]),
            ACK=chance.choice(["journal", "journal", "journal", "delivered"]),
            ACK_TIMEOUT="2s",
            DRAIN_TIMEOUT=chance.choice(["0s", "500ms"]),
        )
        self.done["starts"] += 1

    def run(self, seconds: float) -> None:
        """Disturb the server for some seconds; the last disturbance is a kill."""
        until = time.monotonic() + seconds
        self.start()
        for sender in self.senders:
            sender.start()
        events: list[tuple[float, Callable[[], None]]] = [
            (5.0, self.kill),
            (1.0, self.stop),
            (3.0, self.disturb_store),
            (1.0, self.refuse_connections),
            (2.0, self.disturb_disk),
            (2.0, self.check_health),
        ]
        weights, steps = zip(*events, strict=True)
        while time.monotonic() < until:
            time.sleep(self.random.expovariate(1.5))
            self.revive()
            (step,) = self.random.choices(steps, weights)
            step()
        self.kill()

    def revive(self) -> None:
        """Start the server again if it has ended, as a supervisor does."""
        if not self.server.is_running:
            self.done["ended by itself"] += 1
            self.start()

    def kill(self) -> None:
        """Kill the server, now and then a second time while it starts."""
        self.server.kill()
        self.done["kills"] += 1
        self.start()
        if self.random.random() < 0.2:
            time.sleep(self.random.uniform(0, 0.4))
            self.server.kill()
            self.done["kills"] += 1
            self.start()

    def stop(self) -> None:
        """Restart the server with SIGTERM."""
        self.server.stop()
        self.done["orderly restarts"] += 1
        self.start()

    def disturb_store(self) -> None:
        """Let the store fail in some ways, for a moment or until the next time."""
        faults = self.random.sample(_STORE_FAULTS, self.random.randint(1, 3))
        self.store.probabilities = {fault: self.random.choice([0.05, 0.3, 1.0]) for fault in faults}
        self.done["store faults"] += 1
        time.sleep(self.random.uniform(0, 1))
        if self.random.random() < 0.8:
            self.store.probabilities = {}

    def refuse_connections(self) -> None:
        """Close the port of the store for a moment."""
        with self.store.refusing():
            time.sleep(self.random.uniform(0, 1))
        self.done["store outages"] += 1

    def disturb_disk(self) -> None:
        """Let the disk fail for a moment, in which the server may be killed as well."""
        self._set_disk_fault(self.random.choice(_DISK_FAULTS))
        self.done["disk faults"] += 1
        time.sleep(self.random.uniform(0, 1))
        if self.random.random() < 0.3:
            self.kill()
        self._set_disk_fault("")

    def _set_disk_fault(self, text: str) -> None:
        new = self._control.with_suffix(".new")
        new.write_text(text)
        new.rename(self._control)

    def check_health(self) -> None:
        """Check the counters if the server responds."""
        with contextlib.suppress(requests.RequestException, ValueError):
            self.check(self.health()["events"])

    def health(self) -> Any:
        """Return the body of `/health`."""
        return requests.get(f"{self._url}/health", timeout=WAIT_S).json()

    def check(self, counts: dict[str, int]) -> None:
        """Check both equations, which hold at every moment."""
        self.done["checks of the counters"] += 1
        c = counts
        if c["received"] != c["durable"] + c["duplicate"] + c["rejected"] + c["refused"]:
            self.broken.append(f"received: {counts}")
        if c["recovered"] + c["durable"] != c["delivered"] + c["lost"] + c["pending"]:
            self.broken.append(f"durable: {counts}")
        if c["lost"] or c["in_flight"] < 0:
            self.broken.append(f"lost or in flight: {counts}")

    def finish(self) -> None:
        """End all faults, let the clients finish, and wait until every event is delivered."""
        self._set_disk_fault("")
        self.store.probabilities = {}
        for sender in self.senders:
            sender.stop()
        until = time.monotonic() + _FINISH_S
        while any(sender.is_alive() for sender in self.senders):
            self.revive()
            self.check_health()
            assert time.monotonic() < until, self.server.log()[-10:]
            time.sleep(0.2)
        while (counts := self.health()["events"])["pending"] or counts["in_flight"]:
            assert time.monotonic() < until, counts
            time.sleep(0.2)
        self.check(counts)
        self.server.stop()


def ledger(chaos: Chaos) -> dict[str, int]:
    """Count the events that were sent, and their outcomes."""
    record, stored = chaos.record, chaos.store.stored
    found = Counter(
        event.get("properties", event).get("name", event["event_id"])
        for event in events_in(stored.objects)
    )
    refused = record.statuses["503"]
    return {
        **chaos.done,
        "sent": len(record.sent),
        "retried": record.resent,
        "acknowledged": len(record.acknowledged),
        "acknowledged as duplicates": record.duplicates,
        "acknowledged as conflicts": record.conflicts,
        "rejected": len(record.rejected),
        "requests refused with 503": refused,
        "requests without a response": sum(record.statuses.values())
        - sum(count for status, count in record.statuses.items() if status.isdigit()),
        "objects": len(stored.objects),
        "puts": stored.puts,
        "delivered": len(found),
        "lost": len(record.acknowledged - found.keys()),
        "delivered twice": sum(1 for count in found.values() if count > 1),
        "never sent": len(found.keys() - record.sent),
        "rejected and delivered": len(found.keys() & record.rejected),
        "objects put with differing bytes": len(stored.differing),
        "checks that did not add up": len(chaos.broken),
    }


# A number other than zero is a broken guarantee.
MUST_BE_ZERO = (
    "lost",
    "delivered twice",
    "never sent",
    "rejected and delivered",
    "objects put with differing bytes",
    "checks that did not add up",
)


def run(directory: Path, seconds: float, seed: int) -> dict[str, int]:
    """Run the chaos in a directory, and return the ledger."""
    with FaultyS3(seed, hang_s=2.0) as store:
        chaos = Chaos(directory, seed, store)
        try:
            chaos.run(seconds)
            chaos.finish()
        finally:
            chaos.server.clean_up()
        for text in chaos.broken[:5]:
            print(text, file=sys.stderr)
        return ledger(chaos)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="tests.faults.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}, {arguments.seconds:g} seconds", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        found = run(Path(directory), arguments.seconds, arguments.seed)
    for heading, count in found.items():
        print(f"{heading:34} {count:10,}")
    return int(any(found[heading] for heading in MUST_BE_ZERO))


if __name__ == "__main__":
    sys.exit(main())
