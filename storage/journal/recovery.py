"""What a process that died left behind: seal open segments, cut torn tails.

Reads each open segment once, as a stream; sealed segments are checked when they are
shipped. `FORMAT.md`, "Reading", says what counts as torn and what as damage.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from logs.events import get_logger
from storage.filesystem import FileSystem
from storage.journal.quarantine import keep_aside
from storage.journal.record import CorruptRange, Record, scan
from storage.journal.reserve import is_disk_full
from storage.journal.segment import SegmentName, parse_segment_name

_log = get_logger(__name__)

STAGED = "staged"
DAMAGED = "damaged"

_COPY = ".copy"
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Checked:
    events: int
    size: int
    torn: CorruptRange | None


def recover(fs: FileSystem, directory: Path) -> None:
    """Make the journal directory ready: it exists, and no segment in it is open.

    OSError if the disk refuses; nothing is lost then, and it can be called again. The caller
    holds the directory's lock.
    """
    fs.make_directory(directory / STAGED)
    fs.make_directory(directory / DAMAGED)
    _remove_copies(fs, directory)
    parsed = [parse_segment_name(file_name) for file_name, _ in fs.entries(directory)]
    names = [name for name in parsed if name is not None]
    sealed = {name.id for name in names if name.events is not None}
    for name in names:
        if name.events is None and name.id in sealed:
            fs.remove(directory / name.file_name)
        elif name.events is None:
            _seal(fs, directory, name)
    # Before anything is delivered, what this process sees is what a power cut leaves.
    fs.sync_directory(directory)
    _remove_orphans(fs, directory, {name.id for name in names})


def _seal(fs: FileSystem, directory: Path, name: SegmentName) -> None:
    path = directory / name.file_name
    checked = _check(fs, path, name)
    if checked.torn is not None:
        _report_torn(fs, directory, name, checked.torn)
    if checked.events == 0:
        fs.remove(path)
    else:
        _move(fs, path, directory / name.sealed(checked.events).file_name, checked.size)
    _log.info("segment recovered", segment=name.id, events=checked.events, bytes=checked.size)


def _check(fs: FileSystem, path: Path, name: SegmentName) -> _Checked:
    events, size, torn = 0, 0, None
    with fs.open_read(path) as stream:
        for piece in scan(stream, name.checksum_seed):
            if isinstance(piece, Record):
                events += 1
                size = piece.end
            elif piece.at_end:
                torn = piece
    return _Checked(events, size, torn)


# The dead process may have written records that only the page cache holds, or that a failed sync
# has marked as written though they are not: the disk has for certain what is written again.
def _move(fs: FileSystem, source: Path, target: Path, size: int) -> None:
    copy = source.with_name(source.name + _COPY)
    try:
        _write_copy(fs, source, copy, size)
    except OSError as error:
        with contextlib.suppress(OSError):
            fs.remove(copy)
        if not is_disk_full(error):
            raise
        _cut(fs, source, size)
        fs.rename(source, target)
    else:
        fs.rename(copy, target)
        fs.sync_directory(target.parent)
        fs.remove(source)


def _write_copy(fs: FileSystem, source: Path, copy: Path, size: int) -> None:
    file = fs.create(copy)
    try:
        with fs.open_read(source) as stream:
            while chunk := stream.read(min(size, _CHUNK_BYTES)):
                file.write(chunk)
                size -= len(chunk)
        file.sync()
    finally:
        file.close()


def _cut(fs: FileSystem, path: Path, size: int) -> None:
    file = fs.reopen(path)
    try:
        file.truncate(size)
        file.sync()
    finally:
        file.close()


def _report_torn(fs: FileSystem, directory: Path, name: SegmentName, torn: CorruptRange) -> None:
    fields: dict[str, object] = {
        "segment": name.id,
        "offset": torn.offset,
        "bytes": torn.length,
    }
    if torn.has_whole_line:
        try:
            fields["kept"] = str(keep_aside(fs, directory, name, torn))
        except OSError as error:
            # A full disk must not keep the server from starting: only shipping empties it.
            fields["copy_failed"] = str(error)
    _log.warning("torn tail cut off", **fields)


def _remove_copies(fs: FileSystem, directory: Path) -> None:
    for file_name, _ in list(fs.entries(directory)):
        is_copy = file_name.endswith(_COPY)
        if is_copy and parse_segment_name(file_name.removesuffix(_COPY)) is not None:
            fs.remove(directory / file_name)


def _remove_orphans(fs: FileSystem, directory: Path, segment_ids: set[str]) -> None:
    for file_name, _ in list(fs.entries(directory / STAGED)):
        if file_name.partition(".")[0] not in segment_ids:
            fs.remove(directory / STAGED / file_name)
