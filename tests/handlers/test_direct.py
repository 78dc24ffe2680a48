"""Both ways of a request, with and without a handler, end in the same bytes, counts and log lines.

To try more requests by hand: `DIRECT_EXAMPLES=20000 pytest tests/handlers/test_direct.py`.
"""

import asyncio
import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings

from http1.direct import PlainPost, Respond
from tests.handlers.generated import ODD_TARGETS, TARGETS, World, pieces, worlds
from tests.handlers.server import BATCH, EVENT, MAX_BODY_BYTES, ONE, SHOP, Site, make_site
from tests.http1.memory_transport import MemoryTransport, connect
from tests.http1.raw_http import request
from tests.support.waiting import let_tasks_run

EXAMPLES = int(os.environ.get("DIRECT_EXAMPLES", "250"))

_VARIABLE = re.compile(rb'(?<=Date: )[^\r]+|(?:(?<=X-Request-Id: )|(?<=request_id":"))[0-9a-f]{16}')


@dataclass
class Outcome:
    """All that requests leave behind, except times and random request ids."""

    sent: bytes
    calls: list[str]
    lines: list[bytes]
    counters: object
    logged: list[tuple[object, ...]]
    budget: int
    in_flight: int


class Log(logging.Handler):
    """Handler that keeps what a log line would show."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.shown: list[tuple[object, ...]] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields = dict(vars(record).get("fields", {}))
        assert fields.pop("ms", 0) >= 0
        if re.fullmatch("[0-9a-f]{16}", fields.get("request_id", "")):
            fields["request_id"] = "random"
        self.shown.append(
            (record.name, record.levelname, record.getMessage(), list(fields.items()))
        )


class CountingWay:
    """The direct way of a site, which counts the requests that it takes."""

    def __init__(self, site: Site) -> None:
        self._direct = site.app.direct
        self.taken = 0

    def __call__(self, request: PlainPost, respond: Respond) -> bool:
        takes = self._direct(request, respond)
        self.taken += takes
        return takes


async def outcome(site: Site, pieces: Sequence[bytes], way: CountingWay | None) -> Outcome:
    """Send pieces on one connection, each when all before it have had their effect."""
    transport = MemoryTransport("10.0.0.9")
    connection = connect(site, transport, way)
    log, root = Log(), logging.getLogger()
    level = root.level
    root.addHandler(log)
    root.setLevel(logging.INFO)
    try:
        for piece in pieces:
            connection.data_received(piece)
            await let_tasks_run()
        in_flight = site.activity.in_flight
        connection.connection_lost(None)
        await let_tasks_run()
    finally:
        root.removeHandler(log)
        root.setLevel(level)
    return Outcome(
        _VARIABLE.sub(b"*", transport.sent),
        transport.calls,
        site.sink.lines,
        site.sink.counters,
        log.shown,
        site.budget.left,
        in_flight,
    )


async def both(world: World, pieces: Sequence[bytes]) -> tuple[int, Outcome]:
    """Assert that both ways have the same outcome; return how many requests were taken."""
    site = world.site()
    way = CountingWay(site)
    direct = await outcome(site, pieces, way)
    assert await outcome(world.site(), pieces, None) == direct
    return way.taken, direct


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def taken() -> Iterator[Counter[bool]]:
    """Count the examples in which the direct way took a request, and those in which it did not."""
    counts: Counter[bool] = Counter()
    yield counts
    assert min(counts[True], counts[False]) > counts.total() // 8, "both ways are tried"


@settings(max_examples=EXAMPLES, deadline=None)
@given(world=worlds(), sent=pieces())
def test_any_requests_have_the_same_outcome_both_ways(
    loop: asyncio.AbstractEventLoop, taken: Counter[bool], world: World, sent: list[bytes]
) -> None:
    count, _ = loop.run_until_complete(both(world, sent))
    taken[count > 0] += 1


@pytest.mark.parametrize("target", TARGETS)
async def test_a_plain_post_is_taken(target: str) -> None:
    taken, found = await both(World(), [request("POST", target, [("Origin", SHOP)], EVENT)])
    assert (1, 1) == (taken, len(found.logged))


@pytest.mark.parametrize(
    ("world", "target", "fields", "body"),
    [
        *((World(), target, [], EVENT) for target in ODD_TARGETS),
        (World(origins=[SHOP]), ONE, [("Origin", "https://other.example")], EVENT),
        (World(), ONE, [("Content-Type", "multipart/form-data")], EVENT),
        (World(), ONE, [("Content-Encoding", "br")], EVENT),
        (World(), ONE, [("Expect", "100-continue")], EVENT),
        (World(), ONE, [("Accept", "a"), ("accept", "b")], EVENT),
        (World(), ONE, [], b"x" * (MAX_BODY_BYTES + 1)),
        (World(budget=5), ONE, [], EVENT),
    ],
)
async def test_any_other_request_is_declined(
    world: World, target: str, fields: list[tuple[str, str]], body: bytes
) -> None:
    taken, _ = await both(world, [request("POST", target, fields, body)])
    assert 0 == taken


@pytest.mark.parametrize("target", [ONE, BATCH])
async def test_a_body_in_two_pieces_is_declined(target: str) -> None:
    sent = request("POST", target, [], EVENT)
    taken, _ = await both(World(), [sent[:-3], sent[-3:]])
    assert 0 == taken


async def test_all_is_declined_during_a_shutdown() -> None:
    site = make_site()
    site.activity.draining = True
    way = CountingWay(site)
    found = await outcome(site, [request("POST", ONE, [], EVENT)], way)
    assert (0, True) == (way.taken, b"Connection: close" in found.sent)


async def test_all_is_declined_while_decisions_on_cors_are_logged() -> None:
    site = make_site(cors_debug=True)
    way = CountingWay(site)
    await outcome(site, [request("POST", ONE, [], EVENT)], way)
    assert 0 == way.taken


async def test_a_defect_has_the_same_outcome_both_ways(
    monkeypatch: pytest.MonkeyPatch, expected_errors: list[str]
) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("tests.handlers.server.RememberingSink.append", fail)
    expected_errors.append("request failed")
    taken, found = await both(World(), [request("POST", ONE, [], EVENT)])
    assert (1, True) == (taken, b"internal_error" in found.sent)
    assert b"secret" not in found.sent
