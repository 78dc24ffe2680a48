"""Lines to a stream that may block, without ever waiting for it.

A reader of stderr that stops reading, such as a full disk behind journald or a stopped
terminal, would otherwise stop the event loop at the next line. A thread writes; what it
cannot write in time is dropped beyond a bound, and the number of dropped lines is told as
soon as the stream takes lines again.

Invariant: at most `max_bytes` characters wait, and as much as a quarter more for urgent ones.
"""

import logging
import threading
from collections import deque
from typing import TextIO

MAX_WAITING_CHARS = 8 * 1024 * 1024

# How long a line waits for others to be written with it: waking the thread costs the one that
# logs more than the line does.
_GATHER_S = 0.05


class BufferedSink:
    """Writes lines to `stream` in the order in which they came, from a thread of its own."""

    def __init__(self, stream: TextIO, max_chars: int = MAX_WAITING_CHARS) -> None:
        self._stream = stream
        self._max_chars = max_chars
        self._lines: deque[str] = deque()
        self._waiting_chars = 0
        self._dropped = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
        self._thread.start()

    def write(self, line: str, urgent: bool = False) -> None:
        """Take a line; an urgent one also when there is no room for others."""
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
        """Write what is waiting, for at most `timeout_s`."""
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
                lines.append(f"{self._dropped} log lines were dropped: nobody read them in time")
                self._dropped = 0
            return lines

    # Where a log cannot be written there is nowhere to tell it.
    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            return


class SinkHandler(logging.Handler):
    """Hands formatted records to a sink."""

    def __init__(self, sink: BufferedSink) -> None:
        super().__init__()
        self._sink = sink

    def handle(self, record: logging.LogRecord) -> bool:
        """Format here, in the thread that logs, without a lock; write elsewhere."""
        self._sink.write(self.format(record), urgent=record.levelno >= logging.ERROR)
        return True
