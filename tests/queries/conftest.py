"""Stores that hold the corpus: both layouts, and each event twice, from two servers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.queries.corpus import CONFLICT, Event, events
from tests.support.seaweed import Bucket, Seaweed
from tests.support.server_process import ServerProcess

# Two servers know nothing of each other's ids: what both are sent is stored twice.
_LAYOUTS = ("event", "batch")


@pytest.fixture(scope="session")
def sent() -> list[Event]:
    """Every event of the corpus, once."""
    return events()


def fill(directory: Path, sent: list[Event], **settings: str | None) -> None:
    """Send every event and a conflict to one server after another; wait until they are stored."""
    for layout in _LAYOUTS:
        own = directory / layout
        own.mkdir()
        server = ServerProcess(own, {"OBJECT_LAYOUT": layout, **settings})
        try:
            server.start()
            for start in range(0, len(sent), 50):
                answer = server.post(sent[start : start + 50], "/api/v1/events/batch")
                assert 200 == answer.status_code, answer.text
            assert server.post(CONFLICT).json()["conflict"]
            server.wait_until_delivered()
            server.stop()
        finally:
            server.clean_up()


@pytest.fixture(scope="session")
def local_store(tmp_path_factory: pytest.TempPathFactory, sent: list[Event]) -> Path:
    """The store as a directory."""
    directory = tmp_path_factory.mktemp("queries")
    fill(directory, sent, STORAGE_DIR=str(directory / "store"))
    return directory / "store" / "events"


@pytest.fixture(scope="session")
def filled_bucket(
    tmp_path_factory: pytest.TempPathFactory, sent: list[Event], seaweed: Seaweed
) -> Iterator[Bucket]:
    """The store as a bucket."""
    bucket = seaweed.make_bucket()
    fill(tmp_path_factory.mktemp("queries"), sent, STORAGE_DIR=None, **bucket.settings)
    yield bucket
    bucket.remove()


@pytest.fixture(scope="session")
def statements() -> Callable[[str], list[str]]:
    """A reader of the statements in a file of `queries/`."""

    def read(name: str) -> list[str]:
        text = (Path(__file__).parents[2] / "queries" / name).read_text(encoding="utf-8")
        return [each for each in text.split(";\n") if each.strip()]

    return read
