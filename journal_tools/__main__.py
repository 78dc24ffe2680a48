"""List, verify, export or ship the events in a journal directory.

    python -m journal_tools {ls,verify,export,ship} --help

The composition root of the tools: arguments, settings, output, exit codes.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO, cast

from dotenv import load_dotenv
from tqdm import tqdm

from journal_tools.exporting import export_segment
from journal_tools.listing import as_json, as_text, counted, other_files, rows
from journal_tools.reading import SegmentFile, is_journal, segment_files
from journal_tools.shipping import ship
from journal_tools.verifying import InvalidRange, Totals, verify_ids, verify_segment
from logs.setup import configure
from settings.settings import SettingsError, load_settings
from settings.variables import VARIABLES
from storage.dedup.id_log import IdLimits
from storage.filesystem import LocalFileSystem
from storage.journal.directory import JournalDirectory
from storage.journal.lock import DirectoryInUse
from storage.stores.choose import open_store
from storage.stores.store import StoreError

_EXIT_FAILED = 1
_EXIT_USAGE = 2
_EXIT_INTERRUPTED = 130

_Command = Callable[[JournalDirectory, argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0 for success, 1 for corruption or a failure, 2 for bad usage."""
    try:
        load_dotenv(Path(".env"))
    except (UnicodeDecodeError, OSError) as error:
        return _fail(f"the file .env cannot be read: {error}", _EXIT_USAGE)
    arguments = _parser().parse_args(argv)
    path: Path = arguments.journal_dir
    if not path.is_dir():
        return _fail(f"{path} is not a directory; set --journal-dir")
    directory = JournalDirectory(LocalFileSystem(), path)
    try:
        if not is_journal(directory):
            return _fail(
                f"{path} is not a journal: no lock file and no segment in it; set --journal-dir"
            )
        code: int = arguments.run(directory, arguments)
        code = code or _report_old(directory)
    except BrokenPipeError:
        return 0  # the reader, such as head, has ended
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    except DirectoryInUse as error:
        return _fail(f"{error}; stop it first, or let it ship the events")
    except (OSError, StoreError) as error:
        return _fail(str(error))
    return code


def _report_old(directory: JournalDirectory) -> int:
    """Print the segments that this version does not read; return 1 if there are any."""
    old = directory.segments_of_format_1()
    for file_name in old:
        print(
            f"{directory.path / file_name} is of journal format 1, which only versions before "
            "0.1.0 read; deliver it with the version that wrote it, by `journal_tools ship`",
            file=sys.stderr,
        )
    return _EXIT_FAILED if old else 0


def _fail(text: str, code: int = _EXIT_FAILED) -> int:
    print(f"python -m journal_tools: {text}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m journal_tools",
        description=__doc__.split("\n")[0],
        epilog="ls, verify and export change nothing and may be used while the server runs. "
        "Exit codes: 0 success, 1 corruption or a failure, 2 wrong usage or settings.",
    )
    commands = parser.add_subparsers(required=True, title="commands", metavar="COMMAND")

    def add(name: str, run: _Command, text: str) -> Any:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument(
            "--journal-dir",
            type=Path,
            default=Path(_default_directory()),
            metavar="DIR",
            help="the journal directory (default: JOURNAL_DIR, now %(default)s)",
        )
        return command

    listing = add("ls", _ls, "List the segments with state, events, bytes and age.")
    listing.add_argument("--json", action="store_true", help="print one JSON object")
    add(
        "verify",
        _verify,
        "Verify all checksums of events and event ids; exit with 1 if any data is corrupt.",
    )
    exporting = add("export", _export, "Write the events to stdout, one JSON object per line.")
    exporting.add_argument(
        "--salvage",
        action="store_true",
        help="also write the lines of corrupt records that look like whole events",
    )
    exporting.add_argument(
        "segment", nargs="*", metavar="SEGMENT", help="id of a segment to export (default: all)"
    )
    add(
        "ship",
        _ship,
        "Deliver all events to the store of the settings; no server may use the directory.",
    )
    return parser


def _default_directory() -> str:
    default = next(each.default for each in VARIABLES if each.name == "JOURNAL_DIR")
    return os.environ.get("JOURNAL_DIR", "").strip() or str(default)


def _bar(total: int, unit: str, *, shown: bool = True) -> Any:
    hidden = not (shown and sys.stderr.isatty())
    return tqdm(
        total=total, unit=unit, unit_scale=True, disable=hidden, file=sys.stderr, leave=False
    )


def _ls(directory: JournalDirectory, arguments: argparse.Namespace) -> int:
    found = list(rows(directory, time.time()))
    beside = other_files(directory)
    lines = [as_json(found, beside)] if arguments.json else as_text(found, beside)
    print(*lines, sep="\n", flush=True)
    return 0


def _verify(directory: JournalDirectory, arguments: argparse.Namespace) -> int:
    totals = Totals()
    files = segment_files(directory)
    with _bar(sum(file.size for file in files), "B") as bar:

        def report(invalid: InvalidRange) -> None:
            totals.corrupt += invalid.is_corrupt
            tqdm.write(str(invalid))

        for file in files:
            for invalid in verify_segment(directory, file, totals, bar.update):
                report(invalid)
        for invalid in verify_ids(directory):
            report(invalid)
    print(
        f"{counted(totals.segments, 'segment')}, {counted(totals.events, 'event')},"
        f" {totals.corrupt} corrupt",
        flush=True,
    )
    return _EXIT_FAILED if totals.corrupt else 0


def _export(directory: JournalDirectory, arguments: argparse.Namespace) -> int:
    files = _chosen(segment_files(directory), arguments.segment)
    has_corrupt = False
    with _bar(sum(file.size for file in files), "B", shown=not sys.stdout.isatty()) as bar:
        for file in files:
            output = sys.stdout.buffer
            salvages: bool = arguments.salvage
            ranges = export_segment(directory, file, output, bar.update, salvages=salvages)
            for path, piece in ranges:
                has_corrupt = True
                tqdm.write(f"{path} at byte {piece.offset}: {piece.cause}", file=sys.stderr)
    sys.stdout.buffer.flush()
    return _EXIT_FAILED if has_corrupt else 0


def _chosen(files: list[SegmentFile], segment_ids: Sequence[str]) -> list[SegmentFile]:
    unknown = set(segment_ids) - {file.name.id for file in files}
    if unknown:
        raise OSError(f"no segment has the id {', '.join(sorted(unknown))}; `ls` lists all ids")
    return [file for file in files if not segment_ids or file.name.id in segment_ids]


class _AboveBar:
    """A stream for the log that does not write into the bar."""

    def write(self, text: str) -> None:
        tqdm.write(text, file=sys.stderr, end="")

    def flush(self) -> None:
        sys.stderr.flush()


def _ship(directory: JournalDirectory, arguments: argparse.Namespace) -> int:
    try:
        settings = load_settings({**os.environ, "JOURNAL_DIR": str(directory.path)})
    except SettingsError as error:
        print("The settings cannot be used:", *error.problems, sep="\n  ", file=sys.stderr)
        return _EXIT_USAGE
    id_limits = IdLimits(settings.dedup_window_s, settings.dedup_max_events)
    output = configure("warning", settings.log_format, cast(TextIO, _AboveBar()))
    with _bar(0, " events") as bar:

        def begin(total: int) -> Callable[[int], object]:
            bar.reset(total)
            return cast(Callable[[int], object], bar.update)

        try:
            store = open_store(settings, directory.fs)
            result = asyncio.run(
                ship(directory, store, settings.upload_concurrency, id_limits, begin)
            )
        finally:
            output.close()
    print(
        f"{counted(result.delivered, 'event')} delivered,"
        f" {result.lost:,} lost, {result.left:,} left"
    )
    if result.was_stopped and result.left:
        print("stopped: what is left can be shipped again, or by a server that starts there")
    sys.stdout.flush()
    return _EXIT_FAILED if result.left or result.lost else 0


if __name__ == "__main__":
    exit_code = main()
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    sys.stderr.flush()
    # A thread that waits for the network would keep the process for as long as its timeout.
    os._exit(exit_code)
