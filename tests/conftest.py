import asyncio
import inspect
import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.log_guard import LogGuard
from tests.support.seaweed import Bucket, Seaweed
from tests.support.server_process import ServerProcess

# A slow machine is no defect: the benchmarks measure speed, the tests do not.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run every `async def` test on the `io_loop` fixture's event loop."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.add_marker("gen_test")


@pytest.fixture(scope="session", autouse=True)
def no_loop_of_nobody() -> None:
    """Keep asyncio from making an event loop for Tornado that nobody closes."""
    asyncio.set_event_loop(None)


@pytest.fixture(scope="session", autouse=True)
def interrupts_as_in_a_terminal() -> None:
    """Let SIGINT interrupt the servers that tests start.

    A shell makes the processes in its background ignore SIGINT, and their children inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def log_guard() -> Iterator[LogGuard]:
    guard = LogGuard()
    logging.getLogger().addHandler(guard)
    yield guard
    logging.getLogger().removeHandler(guard)
    assert [] == guard.unexpected()
    assert [] == guard.missing()


@pytest.fixture
def expected_errors(log_guard: LogGuard) -> list[str]:
    """Log events of level error that the test announces; each of them must be logged."""
    return log_guard.expected


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """A real S3 server that runs as long as the tests."""
    server = Seaweed(tmp_path_factory.mktemp("seaweed"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def bucket(seaweed: Seaweed) -> Iterator[Bucket]:
    """A bucket of one test, whose writer may only put objects."""
    bucket = seaweed.make_bucket()
    yield bucket
    bucket.remove()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """The whole server as a process that is not started yet; its store is a directory."""
    process = ServerProcess(tmp_path)
    yield process
    process.clean_up()
