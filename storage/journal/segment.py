"""Segment names: how they are made and parsed.

The name carries every setting that decides object keys, so that a sealed segment alone
determines what is put into the store (`FORMAT.md`, "Segment names").
"""

import re
import secrets
import time
import zlib
from dataclasses import dataclass, replace
from datetime import datetime

_NAME = re.compile(
    r"(?P<id>\d{8}T\d{9}Z-[0-9a-f]{16})"
    r"(?P<format>\.v2)?"
    r"\.(?P<layout>event|batch|auto-\d{1,9})"
    r"\.(?P<prefix>[A-Za-z0-9._=+-]{1,180})"
    r"\.(?:open|(?P<events>0|[1-9]\d{0,11})\.sealed)",
    re.ASCII,
)

# The version of the format of records. Names of format 1 have none, and versions that know only
# format 1 do not take these names for those of segments.
FORMAT = "v2"

# File systems allocate blocks: a segment of one small event takes a whole one.
_BLOCK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class KeyRules:
    """The settings that decide object keys, as a segment was begun with them.

    `layout` is `event`, `batch` or `auto-N`; `prefix` has no slash at either end. Object keys must
    be a function of these two and the segment alone. A new key format needs a new `layout` value,
    or a segment that was partly delivered before an upgrade is stored twice, under two keys.
    """

    layout: str
    prefix: str

    @classmethod
    def of(cls, layout: str, auto_batch_above: int, prefix: str) -> "KeyRules":
        """Return the rules for `layout` event, batch, or auto with its bound."""
        return cls(f"auto-{auto_batch_above}" if layout == "auto" else layout, prefix)


@dataclass(frozen=True, slots=True)
class SegmentName:
    """The name of a segment; `events` is None while it is open."""

    id: str
    rules: KeyRules
    events: int | None = None

    @property
    def file_name(self) -> str:
        """The file's name inside the journal directory."""
        state = "open" if self.events is None else f"{self.events}.sealed"
        prefix = self.rules.prefix.replace("/", "+")
        return f"{self.id}.{FORMAT}.{self.rules.layout}.{prefix}.{state}"

    @property
    def checksum_seed(self) -> int:
        """The start value of the CRC-32 of every head in this segment."""
        return zlib.crc32(self.id.encode("ascii"))

    @property
    def created_at(self) -> float:
        """The time at which the segment was begun, in Unix seconds of the wall clock."""
        return created_at(self.id)

    def sealed(self, events: int) -> "SegmentName":
        """Return the name of this segment once it is sealed with `events` events."""
        return replace(self, events=events)


def created_at(segment_id: str) -> float:
    """Return the Unix time at which a segment was begun; ValueError if the id is malformed."""
    date, time_of_day = segment_id[:8], segment_id[9:15]
    second = datetime.fromisoformat(f"{date}T{time_of_day}+00:00")
    return second.timestamp() + int(segment_id[15:18]) / 1000


def new_segment_name(rules: KeyRules) -> SegmentName:
    """Return a name that no other segment has, on this machine or another."""
    milliseconds = time.time_ns() // 1_000_000
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(milliseconds // 1000))
    return SegmentName(f"{stamp}{milliseconds % 1000:03d}Z-{secrets.token_hex(8)}", rules)


def parse_segment_name(file_name: str) -> SegmentName | None:
    """Parse a file's name; None if it is not the name of a segment of the present format."""
    match = _NAME.fullmatch(file_name)
    if match is None or match["format"] is None:
        return None
    events = match["events"]
    rules = KeyRules(match["layout"], match["prefix"].replace("+", "/"))
    return SegmentName(match["id"], rules, None if events is None else int(events))


def is_of_format_1(file_name: str) -> bool:
    """Return True if a file's name is that of a segment which this version does not read."""
    match = _NAME.fullmatch(file_name)
    return match is not None and match["format"] is None


@dataclass(frozen=True, slots=True)
class SealedSegment:
    """A segment that never changes again: its name and its size in bytes."""

    name: SegmentName
    size: int

    @property
    def events(self) -> int:
        """The number of events it was sealed with."""
        return self.name.events or 0

    @property
    def disk_bytes(self) -> int:
        """The disk space that it takes, in bytes."""
        return disk_bytes(self.size)


def disk_bytes(size: int) -> int:
    """Return the disk space that a file of `size` bytes takes, in bytes."""
    return -(-size // _BLOCK_BYTES) * _BLOCK_BYTES
