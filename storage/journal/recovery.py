"""Recovery after a process that died: seals open segments, cuts torn tails.

Reads each open segment once, as a stream; sealed segments are checked when they are
shipped. `FORMAT.md`, "Reading", tells a torn tail from corruption.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from logs.events import get_logger
from storage.filesystem import FileSystem, read_range
from storage.journal.directory import JournalDirectory
from storage.journal.quarantine import quarantine_range
from storage.journal.record import CorruptRange, Record, scan
from storage.journal.reserve import is_disk_full
from storage.journal.segment import SegmentName, parse_segment_name

_log = get_logger(__name__)

_COPY = ".copy"
# A staged object whose compression was interrupted.
_INCOMPLETE = ".tmp"


@dataclass(frozen=True, slots=True)
class _Checked:
    events: int
    size: int
    torn: CorruptRange | None


def recover(directory: JournalDirectory) -> None:
    """Make the journal directory if need be, and seal every open segment in it.

    The caller holds the directory's lock. Raises OSError if the disk refuses; then nothing is
    lost, and the call can be repeated.
    """
    directory.make()
    _remove_copies(directory)
    names = sorted((name for name, _ in directory.segments()), key=lambda name: name.id)
    sealed = {name.id for name in names if name.events is not None}
    old = directory.segments_of_format_1()
    if old:
        _report_old(directory, old)
    opened = [name for name in names if name.events is None]
    if not sealed.isdisjoint(name.id for name in opened):
        # A power cut must not undo the rename to the sealed name and keep the removal of the other.
        directory.sync()
    for name in opened:
        if name.id in sealed:
            directory.fs.remove(directory.segment(name))
        else:
            _seal(directory, name)
    # Before the first delivery: this process must see the same files as one after a power cut.
    directory.sync()
    _remove_orphans(directory, {name.id for name in names} | {_id_of(each) for each in old})


def _seal(directory: JournalDirectory, name: SegmentName) -> None:
    checked = _check(directory, name)
    if checked.torn is not None:
        _report_torn(directory, name, checked.torn)
    if checked.events == 0:
        directory.fs.remove(directory.segment(name))
    else:
        _move(directory, name, name.sealed(checked.events), checked.size)
    _log.info("segment recovered", segment=name.id, events=checked.events, bytes=checked.size)


def _check(directory: JournalDirectory, name: SegmentName) -> _Checked:
    events, size, torn = 0, 0, None
    with directory.fs.open_read(directory.segment(name)) as stream:
        for piece in scan(stream, name.checksum_seed):
            if isinstance(piece, Record):
                events += piece.events
                size = piece.end
            elif piece.at_end:
                torn = piece
    return _Checked(events, size, torn)


# Records of the dead process may be in the page cache alone, or be marked as written by a sync that
# failed: only writing them again makes sure that the disk has them.
def _move(directory: JournalDirectory, name: SegmentName, sealed: SegmentName, size: int) -> None:
    fs, source, target = directory.fs, directory.segment(name), directory.segment(sealed)
    copy = source.with_name(source.name + _COPY)
    try:
        directory.write_new(copy, read_range(fs, source, 0, size))
    except OSError as error:
        if not is_disk_full(error):
            raise
        _cut(fs, source, size)
        fs.rename(source, target)
    else:
        fs.rename(copy, target)
        directory.sync()
        fs.remove(source)


def _cut(fs: FileSystem, path: Path, size: int) -> None:
    with contextlib.closing(fs.reopen(path)) as file:
        file.truncate(size)
        file.sync()


def _report_torn(directory: JournalDirectory, name: SegmentName, torn: CorruptRange) -> None:
    fields: dict[str, object] = {
        "segment": name.id,
        "offset": torn.offset,
        "bytes": torn.length,
    }
    if not torn.is_unfinished:
        try:
            fields["quarantined"] = str(quarantine_range(directory, name, torn))
        except OSError as error:
            # A full disk must not keep the server from starting: only shipping empties it.
            fields["copy_failed"] = str(error)
    _log.warning("torn tail cut off", **fields)


def _report_old(directory: JournalDirectory, file_names: list[str]) -> None:
    _log.error(
        "segments of journal format 1 are not delivered: only versions before 0.1.0 read them",
        segments=len(file_names),
        first=str(directory.path / file_names[0]),
        remedy="deliver them with the version that wrote them: python -m journal_tools ship",
    )


def _remove_copies(directory: JournalDirectory) -> None:
    for file_name, _ in list(directory.fs.entries(directory.path)):
        is_copy = file_name.endswith(_COPY)
        if is_copy and parse_segment_name(file_name.removesuffix(_COPY)) is not None:
            directory.fs.remove(directory.path / file_name)


def _remove_orphans(directory: JournalDirectory, segment_ids: set[str]) -> None:
    for file_name, _ in list(directory.fs.entries(directory.staged)):
        is_incomplete = file_name.endswith(_INCOMPLETE)
        if is_incomplete or _id_of(file_name) not in segment_ids:
            directory.fs.remove(directory.staged / file_name)


def _id_of(file_name: str) -> str:
    return file_name.partition(".")[0]
