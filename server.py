"""Analytics event collector: receives events over HTTP, makes them durable, delivers them to S3.

This module is the command line: settings, signals, exit codes. See `python server.py --help`.
"""

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import uvloop
from dotenv import load_dotenv

from collector import SERVICE, VERSION, Collector
from journal_tools.check import check_file_system, check_host, check_journal, check_permissions
from journal_tools.check_store import check_store
from journal_tools.findings import Finding
from journal_tools.mounts import read_mounts
from logs.events import get_logger
from logs.setup import configure
from settings.settings import Settings, SettingsError, describe, load_settings
from storage.filesystem import LocalFileSystem
from storage.journal.directory import JournalDirectory
from storage.journal.lock import DirectoryInUse
from storage.stores.choose import open_store
from storage.stores.store import StoreError

_log = get_logger(SERVICE)
_EXIT_FAILED = 1
_EXIT_BAD_SETTINGS = 2
_SAME_SIGNAL_S = 1.0

# The longest time for which another thread may delay the event loop: a tenth of Python's default.
_SWITCH_INTERVAL_S = 0.0005

# The number of new objects after which Python looks for garbage in cycles: ten times its default.
# A request leaves next to none, and all that are in flight would be searched each time.
_GC_THRESHOLD = 7_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0, 1 for a failure, 2 for bad settings."""
    arguments = _parse(argv)
    try:
        load_dotenv(Path(".env"))
        settings = load_settings(os.environ)
    except SettingsError as error:
        print(
            "Invalid settings; correct these in the environment or .env:",
            *error.problems,
            sep="\n  ",
            file=sys.stderr,
        )
        return _EXIT_BAD_SETTINGS
    except (UnicodeDecodeError, OSError) as error:
        print(f"The file .env cannot be read ({error}): correct or remove it", file=sys.stderr)
        return _EXIT_BAD_SETTINGS
    if arguments.check:
        return _check(settings)
    output = configure(settings.log_level, settings.log_format)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    gc.set_threshold(_GC_THRESHOLD)
    try:
        return uvloop.run(_serve(settings))
    finally:
        output.close()


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="server.py",
        description="Receive analytics events over HTTP, make them durable, deliver them to S3.",
        epilog="Settings come from the environment and from .env: see .env.example.",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="test the settings, the journal directory and the store, then exit",
    )
    parser.add_argument("--version", action="version", version=f"{SERVICE} {VERSION}")
    return parser.parse_args(argv)


def _check(settings: Settings) -> int:
    fs = LocalFileSystem()
    directory = JournalDirectory(fs, settings.journal_dir)
    findings = [
        Finding(True, "settings: all are valid"),
        check_host(settings.host),
        check_journal(directory),
        *check_permissions(directory),
        *check_file_system(directory, read_mounts()),
        *check_store(
            partial(open_store, settings, fs), settings.s3_prefix, settings.s3_conditional_writes
        ),
    ]
    for finding in findings:
        print(f"{finding.label:<4}", finding.text)
    return 0 if all(finding.ok for finding in findings) else _EXIT_FAILED


async def _serve(settings: Settings) -> int:
    _log.info("starting", version=VERSION, **describe(settings))
    try:
        collector = Collector(settings)
        collector.start()
        stopping = asyncio.create_task(_stop_signal())
        await _open_or_stop(collector, stopping)
    except (DirectoryInUse, OSError, StoreError) as error:
        _log.error("cannot start", cause=str(error))
        return _EXIT_FAILED
    await stopping
    await collector.stop()
    return 0


async def _open_or_stop(collector: Collector, stopping: asyncio.Task[None]) -> None:
    """Open the store; return before that if a signal asks to stop. Raises StoreError."""
    opening = asyncio.create_task(collector.open_store())
    done, _ = await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if opening in done:
        await opening


async def _stop_signal() -> None:
    """Wait for SIGTERM or SIGINT; a second signal ends the process at once.

    Signals within a second of the first are ignored: a terminal and a supervisor such as make may
    each pass on the same one. In a terminal SIGHUP does the same, as it says that the terminal was
    closed. Elsewhere it asks to read the settings again, which only a restart does.
    """
    loop = asyncio.get_running_loop()
    stopping, may_force = asyncio.Event(), asyncio.Event()

    def on_signal(number: int) -> None:
        if not stopping.is_set():
            _log.info("shutdown: asked to stop", signal=number)
            stopping.set()
            loop.call_later(_SAME_SIGNAL_S, may_force.set)
        elif may_force.is_set():
            os._exit(128 + number)

    def on_hangup() -> None:
        _log.info("SIGHUP ignored: restart the server to change its settings")

    if sys.stderr.isatty():
        loop.add_signal_handler(signal.SIGHUP, on_signal, signal.SIGHUP)
    else:
        loop.add_signal_handler(signal.SIGHUP, on_hangup)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    await stopping.wait()


if __name__ == "__main__":
    exit_code = main()
    # A thread that waits for the network would keep the process alive until its timeout, and no
    # work is left that an immediate exit could lose.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)
