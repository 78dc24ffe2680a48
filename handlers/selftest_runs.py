"""The runs of the self-test: their ids, and the observations of each."""

import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qs

PARAMETER = "selftest"
MAX_AGE_S = 600
# Bounds on memory.
MAX_RUNS = 64
_MAX_ROWS = 64

_RUN_BYTES = 16
_RUN = re.compile(r"[0-9a-f]{32}")
_MARK = re.compile(r"([0-9a-f]{32})\.([a-z0-9-]{1,32})\.([0-9]{1,15})")

Observations = dict[str, dict[str, object]]


class Mark(NamedTuple):
    """The mark of a request: its run, its row, and the sender's clock as a Unix time in ms."""

    run: str
    row: str
    sent_ms: int


@dataclass(frozen=True, slots=True)
class _Run:
    begun_at: float
    rows: Observations = field(default_factory=dict)


class SelfTestRuns:
    """The last MAX_RUNS runs that this process began, each for at most MAX_AGE_S.

    Only the sender of a request with the id of such a run asked for a self-test: nobody else can
    know the id. Runs are in the order in which they began and end.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin without runs; `monotonic` returns seconds."""
        self._monotonic = monotonic
        self._runs: OrderedDict[str, _Run] = OrderedDict()

    def begin(self) -> str:
        """Begin a run and return its id; forget the oldest run if there are too many."""
        run = secrets.token_hex(_RUN_BYTES)
        self._runs[run] = _Run(self._monotonic())
        if len(self._runs) > MAX_RUNS:
            self._runs.popitem(last=False)
        return run

    def mark(self, query: str) -> Mark | None:
        """Return the mark in a query if it is that of a run; None for every other request.

        An event may have a field or a property of the same name, whose value is another. Every
        request of an endpoint for events is asked, so that the usual one costs one search.
        """
        if PARAMETER not in query:
            return None
        match = _MARK.fullmatch("".join(parse_qs(query).get(PARAMETER, [])[:1]))
        if match is None or self.rows(match[1]) is None:
            return None
        return Mark(match[1], match[2], int(match[3]))

    def add(self, mark: Mark, seen: dict[str, object]) -> None:
        """Add observations to a row; a later one replaces an earlier one of the same name."""
        rows = self.rows(mark.run)
        if rows is not None and (mark.row in rows or len(rows) < _MAX_ROWS):
            rows[mark.row] = {**rows.get(mark.row, {}), **seen}

    def rows(self, run: str) -> Observations | None:
        """Return the observations of a run, by row; None if it is unknown or forgotten."""
        oldest = self._monotonic() - MAX_AGE_S
        while self._runs and next(iter(self._runs.values())).begun_at <= oldest:
            self._runs.popitem(last=False)
        found = self._runs.get(run)
        return None if found is None else found.rows


def is_run_id(text: str) -> bool:
    """Return True if a text has the form of the id of a run."""
    return _RUN.fullmatch(text) is not None
