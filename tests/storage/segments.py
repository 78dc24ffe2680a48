"""A small vocabulary for segments on disk: write, corrupt and read them."""

import gzip
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from storage.dedup.identity import Identities, kept_identity, pack
from storage.delivery.shipment import Packer
from storage.filesystem import FileSystem, LocalFileSystem
from storage.journal.directory import JournalDirectory
from storage.journal.record import CorruptRange, Record, encode, scan
from storage.journal.recovery import recover
from storage.journal.reserve import Reserve
from storage.journal.segment import KeyRules, SealedSegment, SegmentName, parse_segment_name

SEGMENT_ID = "20261123T173000123Z-9f86d081884c7d65"
# An hour after every segment here was begun, in Unix seconds.
NOW = 1795458600.0
RULES = KeyRules("auto-100", "events")
NAME = SegmentName(SEGMENT_ID, RULES)
SEED = NAME.checksum_seed
DAY = "2026-11-23"


def event(number: int, day: str = DAY) -> bytes:
    return b'{"event_id":"e%d","timestamp":"%sT17:30:00.000Z"}' % (number, day.encode())


def events(count: int, day: str = DAY) -> list[bytes]:
    return [event(number, day) for number in range(count)]


def recorded(*lines: bytes) -> bytes:
    """The identities of events, as the id log holds them."""
    keys, fingerprints = zip(*map(kept_identity, lines), strict=True)
    return pack(Identities(keys, fingerprints))


def numbered_name(number: int, layout: str = "auto-100", count: int | None = None) -> SegmentName:
    return SegmentName(f"20261123T173000123Z-{number:016x}", KeyRules(layout, "events"), count)


def name_source(layout: str = "auto-100") -> Callable[[], SegmentName]:
    """Return a function that returns a new name at each call, in order."""
    numbers = iter(range(1, 1000))
    return lambda: numbered_name(next(numbers), layout)


def local(directory: Path) -> JournalDirectory:
    """Return a journal directory on this machine's file system."""
    return JournalDirectory(LocalFileSystem(), directory)


def no_reserve(directory: Path) -> Reserve:
    """Return a reserve of 0 bytes."""
    return Reserve(local(directory), 0)


@dataclass
class NoShipping:
    """A shipper that only remembers the segments that it was given."""

    sealed: list[SealedSegment] = field(default_factory=list)
    disk_bytes: int = 0
    room_in_s: int = 17
    when_idle: list[Callable[[], None]] = field(default_factory=list)

    def enqueue(self, segment: SealedSegment) -> None:
        self.sealed.append(segment)

    def call_when_idle(self, call: Callable[[], None]) -> None:
        self.when_idle.append(call)


def no_ids(segment_id: str, digests: bytes) -> None:
    """Remember no ids."""


def alone(lines: Sequence[bytes], seed: int = SEED) -> bytes:
    """Return the bytes of a segment that has a record for each event."""
    return b"".join(encode([line], seed) for line in lines)


def write_segment(
    directory: Path, lines: Sequence[bytes], name: SegmentName = NAME, *, each_alone: bool = False
) -> Path:
    """Write a segment as one group of events, or with `each_alone` a record for each."""
    path = directory / name.file_name
    seed = name.checksum_seed
    path.write_bytes(alone(lines, seed) if each_alone else encode(lines, seed))
    return path


def write_sealed(
    directory: Path,
    lines: Sequence[bytes],
    name: SegmentName = NAME,
    *,
    promised: int | None = None,
    each_alone: bool = False,
) -> SealedSegment:
    """Write a sealed segment into a directory that recovery has prepared."""
    recover(local(directory))
    sealed = name.sealed(len(lines) if promised is None else promised)
    path = write_segment(directory, lines, sealed, each_alone=each_alone)
    return SealedSegment(sealed, path.stat().st_size)


def record_of(lines: Sequence[bytes]) -> Record:
    """Return at most 64 events as they are read from a segment, behind another record."""
    raw = encode([b"before"], SEED) + encode(lines, SEED)
    _, record = scan(io.BytesIO(raw), SEED)
    assert isinstance(record, Record)
    return record


def tear(path: Path, at: int) -> None:
    """Cut a file to `at` bytes."""
    path.write_bytes(path.read_bytes()[:at])


def flip(path: Path, byte: int, mask: int = 0xFF) -> None:
    """Change the bits `mask` of one byte."""
    raw = bytearray(path.read_bytes())
    raw[byte] ^= mask
    path.write_bytes(raw)


def offsets(lines: Sequence[bytes]) -> list[int]:
    """Return the offset of each record of one event, and the end of the last one."""
    found = [0]
    for line in lines:
        found.append(found[-1] + len(encode([line], SEED)))
    return found


def scanned(path: Path, seed: int = SEED) -> list[bytes | CorruptRange]:
    """Return the events and corrupt ranges of a segment, in order."""
    with path.open("rb") as stream:
        return [
            each
            for piece in scan(stream, seed)
            for each in (piece.lines if isinstance(piece, Record) else [piece])
        ]


def sealed_in(directory: Path) -> list[SealedSegment]:
    """Return the sealed segments of a directory, in the order of their ids."""
    found = []
    for path in sorted(directory.iterdir()):
        name = parse_segment_name(path.name)
        if name is not None and name.events is not None:
            found.append(SealedSegment(name, path.stat().st_size))
    return found


def contents(directory: Path) -> dict[str, bytes]:
    """Return the content of every file below a directory, by relative path."""
    files = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def quarantined(directory: Path) -> dict[str, bytes]:
    return contents(directory / "quarantine")


def shipped(directory: Path, fs: FileSystem | None = None) -> dict[str, bytes]:
    """Return the objects of all sealed segments of a directory: key and body."""
    packer = Packer(JournalDirectory(fs or LocalFileSystem(), directory))
    objects: dict[str, bytes] = {}
    for segment in sealed_in(directory):
        shipment = packer.open_shipment(segment)
        for plan in shipment.plans():
            item = packer.pack(shipment, plan)
            with item.open() as body:
                objects[item.key] = body.read()
    return objects


def delivered_lines(directory: Path) -> list[bytes]:
    """Return the events in the objects of all sealed segments of a directory, in key order."""
    lines: list[bytes] = []
    for key, body in sorted(shipped(directory).items()):
        plain = gzip.decompress(body) if key.endswith(".gz") else body
        lines += plain.splitlines()
    return lines
