"""Several processes on one port."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.objects import events_in, files
from tests.support.server_process import ServerProcess
from tests.support.waiting import WAIT_S


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[ServerProcess]]:
    """Two servers that are not started, with one store and a journal each."""
    settings = {"STORAGE_DIR": str(tmp_path / "store"), "REUSE_PORT": "true"}
    servers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        servers.append(ServerProcess(tmp_path / name, settings))
    yield servers
    for server in servers:
        server.clean_up()


def port_of(server: ServerProcess) -> str:
    return server.url.rpartition(":")[2]


def test_two_processes_share_a_port_and_the_work(two: list[ServerProcess], tmp_path: Path) -> None:
    one, other = two
    one.start()
    other.start(PORT=port_of(one))
    for number in range(100):
        event = {"event_id": f"e{number}", "event_type": "c"}
        url = one.url + "/api/v1/events"
        assert 200 == requests.post(url, json=event, timeout=WAIT_S).status_code
    assert [0, 0] == [server.stop() for server in two]
    shares = [len(server.log("request")) for server in two]
    stored = events_in(files(tmp_path / "store"))
    assert {f"e{number}" for number in range(100)} == {event["event_id"] for event in stored}
    assert 100 == len(stored)
    assert min(shares) > 10, shares


def test_a_process_serves_on_when_another_has_stopped(two: list[ServerProcess]) -> None:
    one, other = two
    one.start()
    other.start(PORT=port_of(one))
    one.stop()
    assert 200 == other.post({"event_type": "c"}).status_code


def test_without_the_setting_a_port_has_one_process(two: list[ServerProcess]) -> None:
    one, other = two
    one.start(REUSE_PORT=None)
    other.spawn(REUSE_PORT=None, PORT=port_of(one))
    assert "Address already in use" in other.wait_for("cannot start")["cause"]
    assert 1 == other.wait()
