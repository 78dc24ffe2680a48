"""The composition root in this process: the order of stopping, and the state afterwards."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import collector as collector_module
from collector import Collector
from http1.server import CollectorServer
from settings.settings import Settings, load_settings
from storage.delivery.shipper import Shipper
from storage.journal.journal import Journal
from storage.journal.lock import DirectoryInUse, DirectoryLock
from tests.handlers.server import EVENT, ONE
from tests.http1.raw_http import connected, exchange, request
from tests.storage.segments import local
from tests.support.objects import events_in, files

POST = request("POST", ONE, [], EVENT)


@pytest.fixture(autouse=True)
def garbage_can_be_collected() -> Iterator[None]:
    """Undo `gc.freeze`, which the collector calls for a process of its own."""
    yield
    gc.unfreeze()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        {
            "STORAGE_DIR": str(tmp_path / "store"),
            "JOURNAL_DIR": str(tmp_path / "journal"),
            "HOST": "127.0.0.1",
            "PORT": "0",
            "FLUSH_INTERVAL": "1h",
        }
    )


@pytest.fixture(autouse=True)
def info_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")


async def start(settings: Settings, caplog: pytest.LogCaptureFixture) -> tuple[Collector, int]:
    """Return a started collector and its port."""
    collector = Collector(settings)
    collector.start()
    await collector.open_store()
    (line,) = (vars(each) for each in caplog.records if each.getMessage() == "listening")
    caplog.clear()
    return collector, line["fields"]["port"]


def delivered(tmp_path: Path) -> list[str]:
    return [event["event_type"] for event in events_in(files(tmp_path / "store"))]


def record_calls(monkeypatch: pytest.MonkeyPatch, *methods: Any) -> list[str]:
    """Return the list of the calls of methods from now on, in their order."""
    calls: list[str] = []

    def record(method: Any) -> None:
        def recording(*given: Any) -> Any:
            calls.append(method.__qualname__)
            return method(*given)

        owner = f"{method.__module__}.{method.__qualname__}"
        monkeypatch.setattr(owner, recording)

    for method in methods:
        record(method)
    return calls


async def test_parts_are_stopped_in_reverse_order(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector, _ = await start(settings, caplog)
    order = (
        CollectorServer.stop,
        CollectorServer.close_all_connections,
        Journal.close,
        Shipper.drain,
        Shipper.close,
        DirectoryLock.release,
    )
    calls = record_calls(monkeypatch, *order)
    await collector.stop()
    assert [method.__qualname__ for method in order] == calls


async def test_a_stop_delivers_the_events_and_closes_the_port_and_the_directory(
    settings: Settings, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    collector, port = await start(settings, caplog)
    assert 200 == (await exchange(port, POST)).status
    assert [] == delivered(tmp_path)
    await collector.stop()
    assert ["c"] == delivered(tmp_path)
    with pytest.raises(ConnectionRefusedError):
        async with connected(port):
            pass
    DirectoryLock(local(settings.journal_dir)).release()


async def test_a_disk_that_does_not_respond_does_not_keep_the_shutdown_from_ending(
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    expected_errors: list[str],
    tmp_path: Path,
) -> None:
    expected_errors.append(
        "shutdown: the disk does not respond; the next start seals the open segment"
    )
    collector, port = await start(settings, caplog)
    assert 200 == (await exchange(port, POST)).status
    monkeypatch.setattr(collector_module, "_SEAL_S", 0)
    await collector.stop()
    assert [] == delivered(tmp_path)
    caplog.clear()
    after, _ = await start(settings, caplog)
    await after.stop()
    assert ["c"] == delivered(tmp_path)


async def test_a_directory_in_use_is_left_to_the_collector_that_has_it(
    settings: Settings, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    collector, port = await start(settings, caplog)
    with pytest.raises(DirectoryInUse):
        Collector(settings)
    assert 200 == (await exchange(port, POST)).status
    await collector.stop()
    assert ["c"] == delivered(tmp_path)


async def test_events_are_accepted_before_the_store_is_open(
    settings: Settings, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    collector = Collector(settings)
    collector.start()
    (line,) = (vars(each) for each in caplog.records if each.getMessage() == "listening")
    assert 200 == (await exchange(line["fields"]["port"], POST)).status
    await collector.open_store()
    await collector.stop()
    assert ["c"] == delivered(tmp_path)
