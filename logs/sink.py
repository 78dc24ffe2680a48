"""Writing lines to a stream that may block, without ever waiting for it.

A reader of stderr that stops reading, such as journald on a full disk or a stopped terminal, would
otherwise stop the event loop at the next line. A thread of its own writes the lines. Lines beyond a
bound are dropped, and their number is logged as soon as the stream accepts lines again.

Invariant: at most `max_chars` characters wait, and with urgent lines up to a quarter more.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import TextIO

MAX_WAITING_CHARS = 8 * 1024 * 1024

# The time that a line waits for others to be written with it: waking the thread costs the caller
# more than the line itself.
_GATHER_S = 0.05


def _dropped_line(count: int) -> str:
    return f"{count} log lines were dropped: the log is read too slowly"


class BufferedSink:
    """Writer of lines to `stream`, in the order in which they were logged, from its own thread."""

    def __init__(
        self,
        stream: TextIO,
        max_chars: int = MAX_WAITING_CHARS,
        dropped_line: Callable[[int], str] = _dropped_line,
    ) -> None:
        self._stream = stream
        self._dropped_line = dropped_line
        self._max_chars = max_chars
        self._lines: deque[str] = deque()
        self._waiting_chars = 0
        self._dropped = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
        self._thread.start()

    def write(self, line: str, urgent: bool = False) -> None:
        """Accept a line, or drop it if there is no room; an urgent line has some room to itself."""
        bound = self._max_chars * 5 // 4 if urgent else self._max_chars
        with self._changed:
            if self._waiting_chars + len(line) > bound:
                self._dropped += 1
                return
            self._lines.append(line)
            self._waiting_chars += len(line)
            if len(self._lines) == 1:
                self._changed.notify()

    def close(self, timeout_s: float = 2.0) -> None:
        """Write the lines that are waiting; give up after `timeout_s`."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while lines := self._next():
            self._write("\n".join([*lines, ""]))

    def _next(self) -> list[str]:
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._dropped or self._closing)
            self._changed.wait_for(lambda: self._closing, _GATHER_S)
            lines = list(self._lines)
            self._lines.clear()
            self._waiting_chars = 0
            if self._dropped:
                lines.append(self._dropped_line(self._dropped))
                self._dropped = 0
            return lines

    # If the log cannot be written, there is nowhere to report it.
    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            return


class SinkHandler(logging.Handler):
    """Handler that passes formatted records to a sink."""

    def __init__(self, sink: BufferedSink) -> None:
        super().__init__()
        self._sink = sink

    def handle(self, record: logging.LogRecord) -> bool:
        """Format the record in the calling thread, without a lock, and pass it to the sink."""
        self._sink.write(self.format(record), urgent=record.levelno >= logging.ERROR)
        return True
