"""The whole server as a process of its own, as systemd would run it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from tests.support.waiting import WAIT_S, wait_until

ROOT = Path(__file__).parent.parent.parent


class ServerProcess:
    """`python server.py` in an empty environment, and its log.

    The store is `directory/store` unless the settings name another. Settings of a start
    replace those of the constructor; a setting that is None is left out. `module`, a name and
    its arguments, runs in place of `server.py`.
    """

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, str | None] | None = None,
        module: Sequence[str] = (),
    ) -> None:
        self._command = ["-m", *module] if module else [str(ROOT / "server.py")]
        self.directory = directory
        self.settings: dict[str, str | None] = {"STORAGE_DIR": "store", **(settings or {})}
        self._process: subprocess.Popen[str] | None = None
        self._news = threading.Condition()
        self._log: list[dict[str, Any]] = []
        self._reader: threading.Thread | None = None
        self.url = ""

    @property
    def journal(self) -> Path:
        """The directory of the journal."""
        return self.directory / "journal"

    @property
    def store(self) -> Path:
        """The directory that is the store, if the store is one."""
        return self.directory / "store"

    def start(self, **settings: str | None) -> "ServerProcess":
        """Start the server, and return when it accepts requests."""
        self.spawn(**settings)
        port = self.wait_for("listening")["port"]
        self.url = f"http://127.0.0.1:{port}"
        return self

    def spawn(self, **settings: str | None) -> None:
        """Start the server without waiting for it."""
        self.settings.update(settings)
        given = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "HOST": "127.0.0.1",
            "PORT": "0",
            "JOURNAL_DIR": "journal",
            "LOG_FORMAT": "json",
            "PYTHONPATH": str(ROOT),
            **self.settings,
        }
        self._log.clear()
        self._process = subprocess.Popen(
            [sys.executable, *self._command],
            cwd=self.directory,
            env={name: text for name, text in given.items() if text is not None},
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=[self._process], daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                with self._news:
                    self._log.append(_parsed(line))
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def log(self, event: str | None = None) -> list[dict[str, Any]]:
        """Return the log lines since the start: all, or those of one event."""
        with self._news:
            return [line for line in self._log if event in (None, line["event"])]

    def wait_for(self, event: str, count: int = 1) -> dict[str, Any]:
        """Return the line of an event as soon as the event was logged `count` times."""
        reader = self._reader
        assert reader is not None
        until = time.monotonic() + WAIT_S
        with self._news:
            while True:
                found = [line for line in self._log if line["event"] == event]
                if len(found) >= count:
                    return found[count - 1]
                left = until - time.monotonic()
                assert left > 0, f"no {event!r} in {self._log[-20:]}"
                assert reader.is_alive(), f"the server ended without {event!r}: {self._log[-20:]}"
                self._news.wait(min(left, 0.5))

    def post(self, event: Any, path: str = "/api/v1/events") -> requests.Response:
        """Send an event, or a batch to its path."""
        return requests.post(self.url + path, json=event, timeout=WAIT_S)

    def get(self, path: str) -> requests.Response:
        """Send a GET request."""
        return requests.get(self.url + path, timeout=WAIT_S)

    def health(self) -> Any:
        """Return the body of `/health`."""
        return self.get("/health").json()

    def wait_until_delivered(self) -> None:
        """Return when the store has every event."""
        wait_until(lambda: self.health()["backlog"]["events"] == 0, lambda: self.log()[-20:])

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """True until the process has ended."""
        assert self._process is not None
        return self._process.poll() is None

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait until the process has ended, and return its exit code."""
        assert self._process is not None
        assert self._reader is not None
        code = self._process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        return code

    def stop(self) -> int:
        """Stop the server as systemd does, and return its exit code."""
        self.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        self.send_signal(signal.SIGKILL)
        self.wait()

    def clean_up(self) -> None:
        """Kill the process if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self.kill()


def _parsed(line: str) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"event": line.rstrip("\n"), "level": "unparsed"}
    return parsed
