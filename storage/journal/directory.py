"""The journal directory: its paths, and the file operations that several modules share.

`FORMAT.md` says what each file is for.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from storage.filesystem import FileSystem, remove_if_exists, write_new
from storage.journal.segment import SegmentName, is_of_format_1, parse_segment_name

_PROBE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class JournalDirectory:
    """A journal directory at `path` on a file system. Every operation may raise OSError."""

    fs: FileSystem
    path: Path

    @property
    def lock(self) -> Path:
        """The file that one process at a time holds."""
        return self.path / "lock"

    @property
    def probe(self) -> Path:
        """The file that `check_writable` writes and removes."""
        return self.path / "probe"

    @property
    def reserve(self) -> Path:
        """The file that sets disk space aside."""
        return self.path / "reserve"

    @property
    def staged(self) -> Path:
        """The directory of compressed batch objects."""
        return self.path / "staged"

    @property
    def ids(self) -> Path:
        """The directory of the id log."""
        return self.path / "ids"

    @property
    def quarantine(self) -> Path:
        """The directory of copies of corrupt ranges."""
        return self.path / "quarantine"

    def segment(self, name: SegmentName) -> Path:
        """Return the path of a segment."""
        return self.path / name.file_name

    def segments(self) -> Iterator[tuple[SegmentName, int]]:
        """Yield the name and the size in bytes of every segment, open or sealed, in no order."""
        for file_name, size in self.fs.entries(self.path):
            name = parse_segment_name(file_name)
            if name is not None:
                yield name, size

    def segments_of_format_1(self) -> list[str]:
        """Return the names of the segments that only versions before 0.1.0 read, in order."""
        return sorted(name for name, _ in self.fs.entries(self.path) if is_of_format_1(name))

    def make(self) -> None:
        """Make the directory with `staged` and `quarantine`, durable; existing ones stay."""
        for each in (self.path, self.staged, self.quarantine):
            self.fs.make_directory(each)

    def sync(self) -> None:
        """Make the entries of the directory itself durable."""
        self.fs.sync_directory(self.path)

    def write_new(self, path: Path, chunks: Iterable[bytes]) -> None:
        """Write a new file; see `filesystem.write_new`."""
        write_new(self.fs, path, chunks)

    def remove_if_exists(self, path: Path) -> None:
        """Delete a file if it exists."""
        remove_if_exists(self.fs, path)

    def check_writable(self) -> None:
        """Write, sync and remove a probe file; OSError if the disk refuses."""
        self.remove_if_exists(self.probe)
        self.write_new(self.probe, [bytes(_PROBE_BYTES)])
        self.fs.remove(self.probe)
