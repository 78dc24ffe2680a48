"""Random schedules of a journal: processes that write, seal, ship, fail and crash in turn.

Everything is drawn from one seed. The guarantees are checked whenever an object is put into the
store, at every start, and at the end, when every event has been delivered.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from storage.dedup.deduplicator import Sorting, load_ids
from storage.dedup.id_log import IdLimits, IdLog
from storage.dedup.id_window import IdWindow
from storage.dedup.identity import Identities, conflict_key, fingerprints, id_keys, pack
from storage.delivery.shipment import ObjectPlan, Packer, Shipment
from storage.journal.backlog import sealed_segments
from storage.journal.directory import JournalDirectory
from storage.journal.recovery import recover
from storage.journal.reserve import Reserve
from storage.journal.segment import KeyRules, SealedSegment, SegmentName
from storage.journal.writer import SegmentWriter
from tests.faults.lossy import LossyFileSystem
from tests.support.fault_policies import Crash
from tests.support.memory_filesystem import Unknowable
from tests.support.objects import events_in

DIRECTORY = Path("/journal")
_LIMITS = IdLimits(86400.0, 10_000)
_RESERVE_BYTES = 4000
_NOW = 1_795_455_000.0


class Broken(AssertionError):
    """A guarantee was broken."""


@dataclass
class History:
    """The knowledge of the clients and the store, which no crash takes away."""

    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    objects: dict[str, bytes] = field(default_factory=dict)
    segments_begun: int = 0
    lines: int = 0
    steps: list[str] = field(default_factory=list)

    def line(self, name: str) -> bytes:
        """Return an event as the server receives it: another line each time, even for one name."""
        self.lines += 1
        day = 22 + len(name) % 2
        event = {
            "event_id": event_id(name),
            "event_type": name,
            "timestamp": f"2026-11-{day}T12:00:00.000Z",
            "received_at": f"2026-11-24T12:{self.lines // 60:02d}:{self.lines % 60:02d}.000Z",
        }
        return json.dumps(event, separators=(",", ":")).encode()

    def put(self, key: str, body: bytes, create_only: bool) -> None:
        """Store an object, and check that it replaces none with other bytes."""
        old = self.objects.get(key)
        if old is None:
            self.objects[key] = body
        elif old != body:
            kind = "an event was stored twice" if create_only else "other bytes were put"
            raise Broken(f"{kind} at {key}")

    def delivered(self) -> Counter[str]:
        """Count how often each event is in the store."""
        return Counter(event["event_type"] for event in events_in(self.objects))


def event_id(name: str) -> str:
    """Return the id of an event: `e7` and `e7!` are two events with one id."""
    return name.removesuffix("!")


def identity(line: bytes, name: str) -> tuple[int, int]:
    """Return the key of an event's id, and its fingerprint."""
    return id_keys([event_id(name)])[0], fingerprints([line])[0]


class Process:
    """The parts of storage, connected as in `collector.py`, without an event loop."""

    def __init__(self, fs: LossyFileSystem, history: History, chance: random.Random) -> None:
        self._fs = fs
        self._history = history
        self._chance = chance
        fs.disk.may_trust_dropped = True
        directory = JournalDirectory(fs, DIRECTORY)
        recover(directory)
        fs.disk.may_trust_dropped = False
        if any(name.endswith(".open") for name, _ in fs.entries(DIRECTORY)):
            raise Broken("recovery left an open segment")
        reserve = Reserve(directory, _RESERVE_BYTES)
        log = IdLog(directory, _LIMITS, reserve, now=lambda: _NOW, monotonic=lambda: 1e6)
        self.window = IdWindow(_LIMITS, lambda: 1e6)
        load_ids(directory, log, self.window)
        self._writer = SegmentWriter(directory, self._new_name, log.record, reserve)
        self._packer = Packer(directory, log.settle)
        self.sealed: list[SealedSegment] = list(sealed_segments(directory))
        self._delivered: list[Shipment] = []
        self._has_failed = False

    def _new_name(self) -> SegmentName:
        self._history.segments_begun += 1
        number = self._history.segments_begun
        seconds, milliseconds = divmod(number, 1000)
        stamp = f"20261123T17{seconds // 60:02d}{seconds % 60:02d}{milliseconds:03d}Z"
        layout = self._chance.choice(["event", "batch", "auto-2"])
        return SegmentName(f"{stamp}-{number:016x}", KeyRules(layout, "events"))

    def append(self) -> None:
        """Accept a group of events: new ones and retries."""
        if self._has_failed:
            self.repair()
        history, chance = self._history, self._chance
        recent = sorted(history.sent)[-20:]
        names = chance.sample(recent, min(len(recent), chance.randint(0, 2)))
        others = {f"{event_id(each)}!" for each in names if chance.random() < 0.3}
        names += sorted(others - set(names))
        names += [f"e{len(history.sent) + number}" for number in range(chance.randint(0, 4))]
        history.sent.update(names)
        sorting = Sorting(self.window)
        for index, name in enumerate(names):
            line = history.line(name)
            sorting.add(index, line, event_id(name), *identity(line, name))
        history.acknowledged.update(names[each] for each in sorting.duplicates)
        if sorting.lines:
            new = Identities(list(sorting.new), list(sorting.new.values()))
            try:
                appended = self._writer.append(sorting.lines, pack(new))
            except OSError:
                self._has_failed = True
                raise
            self.window.add(new, appended.segment_id)
            history.acknowledged.update(names)

    def knows(self, name: str) -> bool:
        """Return True if an event is known, under its own id or as a conflict."""
        key, fingerprint = identity(self._history.line(name), name)
        keys = (key, conflict_key(key, fingerprint))
        return any(self.window.find(each, fingerprint) is not None for each in keys)

    def seal(self) -> None:
        """Seal the open segment."""
        try:
            self._writer.seal()
        except OSError:
            self._has_failed = True
            raise
        finally:
            self.sealed += self._writer.take_sealed()

    def repair(self) -> None:
        """Repair the writer after a failure."""
        try:
            self._writer.repair()
        finally:
            self.sealed += self._writer.take_sealed()
        if self._writer.take_removed():
            raise Broken("a segment vanished")
        self._has_failed = False

    def ship(self) -> None:
        """Deliver a segment, or some of its objects."""
        self.sealed += self._writer.take_sealed()
        self._discard()
        if not self.sealed:
            return
        segment = self._chance.choice(self.sealed)
        shipment = self._packer.open_shipment(segment)
        if shipment.corrupt_events:
            name = segment.name.file_name
            raise Broken(f"{shipment.corrupt_events} events of {name} are corrupt")
        plans = list(shipment.plans())
        if self._chance.random() < 0.2:
            plans = plans[: self._chance.randint(0, len(plans))]
            self._put(shipment, plans)
            return
        self._put(shipment, plans)
        self.sealed.remove(segment)
        self._delivered.append(shipment)
        self._discard()

    def _discard(self) -> None:
        while self._delivered:
            self._packer.discard(self._delivered[-1])
            self._delivered.pop()

    def _put(self, shipment: Shipment, plans: Sequence[ObjectPlan]) -> None:
        for plan in plans:
            item = self._packer.pack(shipment, plan)
            with item.open() as body:
                self._history.put(item.key, body.read(), item.create_only)

    def finish(self) -> None:
        """Seal and deliver everything."""
        self.seal()
        while self.sealed:
            self.ship()


class Schedule:
    """A random schedule from an empty disk to a drained journal."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.history = History()
        self.fs = LossyFileSystem(self.chance)
        self.fs.make_directory(DIRECTORY)
        self.fs.sync_directory(DIRECTORY)
        self._process: Process | None = None

    def run(self) -> None:
        """Run all steps; Broken if a guarantee was broken."""
        self.fs.faults.failure_rate = self.chance.choice([0.0, 0.0, 0.02, 0.1])
        for _ in range(self.chance.randint(5, 40)):
            self._draw_disk_fault()
            self._step()
        self._crash()
        self._end()

    def _draw_disk_fault(self) -> None:
        if self.chance.random() < 0.1:
            full = self.chance.random() < 0.5
            self.fs.faults.free_bytes = self.chance.randint(0, 6000) if full else None
        if self.chance.random() < 0.2:
            self.fs.faults.stop_at = self.fs.faults.calls + self.chance.randint(1, 25)

    def _step(self) -> None:
        try:
            if self._process is None:
                self._note("start")
                self._process = self._start()
                return
            steps: list[Callable[[], None]] = [
                self._process.append,
                self._process.append,
                self._process.append,
                self._process.seal,
                self._process.ship,
                self._process.ship,
                self._process.repair,
            ]
            step = self.chance.choice(steps)
            self._note(step.__name__)
            step()
        except Crash:
            self._crash()
        except OSError as error:
            self._note(f"  {error}")

    def _start(self) -> Process:
        process = Process(self.fs, self.history, self.chance)
        unknown = [each for each in self.history.acknowledged if not process.knows(each)]
        if unknown and not self.fs.faults.failure_rate and self.fs.faults.free_bytes is None:
            raise Broken(f"acknowledged and unknown after a start: {unknown}")
        return process

    def _crash(self) -> None:
        power_cut = self.chance.random() < 0.6
        self._note("power cut" if power_cut else "kill")
        rate = self.fs.faults.failure_rate
        self.fs = self.fs.after_power_cut() if power_cut else self.fs.after_kill()
        self.fs.faults.failure_rate = rate
        self._process = None

    def _end(self) -> None:
        self._note("the end")
        self.fs.faults.failure_rate = 0.0
        process = Process(self.fs, self.history, self.chance)
        known = {each for each in self.history.sent if process.knows(each)}
        process.finish()
        delivered = self.history.delivered()
        lost = self.history.acknowledged - delivered.keys()
        twice = [each for each, count in delivered.items() if count > 1]
        unsent = delivered.keys() - self.history.sent
        invented = known - delivered.keys()
        if lost or twice or unsent or invented:
            raise Broken(f"{lost=} {twice=} {unsent=} known but not delivered: {invented}")
        left = [name for name, _ in self.fs.entries(DIRECTORY) if name not in ("reserve", "probe")]
        if left:
            raise Broken(f"left in the journal: {left}")

    def _note(self, text: str) -> None:
        self.history.steps.append(text)


def run_schedule(seed: int) -> None:
    """Run a schedule; Broken, with the seed and all steps, if a guarantee was broken."""
    schedule = Schedule(seed)
    try:
        schedule.run()
    except Unknowable:
        return
    except Exception as error:
        steps = "\n".join(schedule.history.steps)
        raise Broken(f"seed {seed}: {error!r}\n{steps}") from error
