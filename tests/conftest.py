import asyncio
import inspect
import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.log_guard import LogGuard
from tests.support.seaweed import Bucket, Seaweed
from tests.support.server_process import ServerProcess

# A slow machine is no defect; what is slow shows in the benchmarks.
settings.register_profile("default", deadline=None)
settings.load_profile("default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run every `async def` test on the `io_loop` fixture's event loop."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.add_marker("gen_test")


@pytest.fixture(scope="session", autouse=True)
def no_loop_of_nobody() -> None:
    """Without a loop of the thread, asyncio would make one for Tornado that nobody closes."""
    asyncio.set_event_loop(None)


@pytest.fixture(scope="session", autouse=True)
def interrupts_as_in_a_terminal() -> None:
    """A shell starts what runs in its background deaf to SIGINT, and so is what that starts."""
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
    """The log events of level error that the test provokes; each has to come."""
    return log_guard.expected


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """A real S3 server, up for the whole run."""
    server = Seaweed(tmp_path_factory.mktemp("seaweed"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def bucket(seaweed: Seaweed) -> Iterator[Bucket]:
    """A bucket of the test's own, into which its writer may only put."""
    bucket = seaweed.make_bucket()
    yield bucket
    bucket.remove()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """The whole server as a process, not started yet; it stores in a directory."""
    process = ServerProcess(tmp_path)
    yield process
    process.clean_up()
