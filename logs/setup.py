"""The logging of a process, from its first line to its last."""

import contextlib
import logging
import sys
import threading
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TextIO

from logs.events import get_logger
from logs.formats import FORMATS
from logs.sink import BufferedSink, SinkHandler

_log = get_logger(__name__)

# At levels info and debug they log what only their own developers want to know; our own line for
# each request replaces tornado.access.
_NOISY = ("asyncio", "boto3", "botocore", "s3transfer", "tornado", "urllib3")

# Facts that a record would ask the system for and no format writes: see "Optimization" in the
# documentation of logging.
_UNUSED = ("logThreads", "logMultiprocessing", "logProcesses")


class LogOutput:
    """The logging of a process, until it is closed."""

    def __init__(self, sink: BufferedSink, undo: contextlib.ExitStack) -> None:
        self._sink = sink
        self._undo = undo

    def close(self) -> None:
        """Write the lines that are waiting, and restore logging as it was."""
        self._undo.close()
        self._sink.close()


def configure(level: str, format: str, stream: TextIO | None = None) -> LogOutput:  # noqa: A002
    """Log everything from `level` up in `format` (text or json) to `stream`, by default stderr."""
    stream = sys.stderr if stream is None else stream
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    formatter = FORMATS[format]()
    sink = BufferedSink(stream, dropped_line=partial(_dropped_line, formatter))
    handler = SinkHandler(sink)
    handler.setFormatter(formatter)
    undo = contextlib.ExitStack()
    root = logging.getLogger()
    _set_level(undo, root, logging.getLevelNamesMapping()[level.upper()])
    for name in _NOISY:
        _set_level(undo, logging.getLogger(name), max(root.level, logging.WARNING))
    for name in _UNUSED:
        undo.callback(setattr, logging, name, getattr(logging, name))
        setattr(logging, name, False)
    root.addHandler(handler)
    undo.callback(root.removeHandler, handler)
    logging.captureWarnings(True)
    undo.callback(logging.captureWarnings, False)
    _log_uncaught_exceptions(undo)
    return LogOutput(sink, undo)


def _dropped_line(formatter: logging.Formatter, count: int) -> str:
    event = "log lines were dropped: the log is read too slowly"
    record = logging.LogRecord(__name__, logging.ERROR, "", 0, event, (), None)
    record.fields = {"lines": count}
    return formatter.format(record)


def _set_level(undo: contextlib.ExitStack, logger: logging.Logger, level: int) -> None:
    undo.callback(logger.setLevel, logger.level)
    logger.setLevel(level)


def _log_uncaught_exceptions(undo: contextlib.ExitStack) -> None:
    undo.callback(setattr, sys, "excepthook", sys.excepthook)
    undo.callback(setattr, threading, "excepthook", threading.excepthook)
    sys.excepthook = _hook(sys.excepthook)
    threading.excepthook = _log_from_thread


def _hook(
    before: Callable[[type[BaseException], BaseException, TracebackType | None], object],
) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    def log(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, KeyboardInterrupt):
            before(kind, error, trace)
        else:
            _log.critical("uncaught exception", exc_info=(kind, error, trace))

    return log


def _log_from_thread(args: threading.ExceptHookArgs) -> None:
    _log.critical(
        "uncaught exception",
        thread=args.thread.name if args.thread else None,
        exc_info=args.exc_value,
    )
