"""Start and shutdown."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import requests

from tests.faults.faulty_s3 import FaultyS3
from tests.support.absent_store import absent_store
from tests.support.objects import events_in, files
from tests.support.server_process import ServerProcess
from tests.support.waiting import WAIT_S, wait_until


def test_a_stop_delivers_all_events_and_exits_with_0(server: ServerProcess) -> None:
    server.start(FLUSH_INTERVAL="1h")
    server.post({"event_id": "e1", "event_type": "c"})
    assert 0 == server.stop()
    assert ["e1"] == [event["event_id"] for event in events_in(files(server.store))]
    steps = [line["event"] for line in server.log() if line["event"].startswith("shutdown")]
    assert [
        "shutdown: asked to stop",
        "shutdown: no more requests",
        "shutdown: journal closed",
        "shutdown: shipping ended",
    ] == steps
    assert "stopped" == server.log()[-1]["event"]


def test_events_that_a_shutdown_leaves_are_delivered_after_the_next_start(
    server: ServerProcess,
) -> None:
    server.start(
        **absent_store(),
        DRAIN_TIMEOUT="500ms",
    )
    server.post({"event_id": "e1", "event_type": "c"})
    assert 0 == server.stop()
    assert 1 == server.log("shutdown: shipping ended")[0]["events_left"]
    server.start(S3_BUCKET_NAME=None, STORAGE_DIR="store")
    server.wait_until_delivered()
    assert ["e1"] == [event["event_id"] for event in events_in(files(server.store))]


def test_a_shutdown_does_not_wait_for_a_store_that_hangs(server: ServerProcess) -> None:
    with FaultyS3(hang_s=10 * WAIT_S) as store:
        store.probabilities = {"hang_before": 1.0}
        server.start(STORAGE_DIR=None, DRAIN_TIMEOUT="500ms", **store.settings)
        for number in range(20):
            server.post({"event_id": f"e{number}", "event_type": "c"})
        wait_until(lambda: store.stored.faults["hang_before"] == 8)
        assert 0 == server.stop()
        assert 20 == server.log("shutdown: shipping ended")[0]["events_left"]
        assert [] == server.log("delivery failed"), "the shutdown waited until uploads timed out"
        store.probabilities = {}
        server.start()
        server.wait_until_delivered()
        assert 20 == len(store.stored.objects)


def test_a_second_signal_ends_the_process_at_once_and_loses_nothing(server: ServerProcess) -> None:
    server.start(
        **absent_store(),
        DRAIN_TIMEOUT="1h",
    )
    server.post({"event_id": "e1", "event_type": "c"})
    server.send_signal(signal.SIGINT)
    server.wait_for("shutdown: journal closed")

    def has_ended() -> bool:
        server.send_signal(signal.SIGTERM)
        return not server.is_running

    wait_until(has_ended)
    assert 128 + signal.SIGTERM == server.wait()
    server.start(S3_BUCKET_NAME=None, STORAGE_DIR="store")
    server.wait_until_delivered()
    assert 1 == len(files(server.store))


def test_two_signals_at_once_are_one(server: ServerProcess) -> None:
    server.start(FLUSH_INTERVAL="1h")
    server.post({"event_id": "e1", "event_type": "c"})
    server.send_signal(signal.SIGTERM)
    server.send_signal(signal.SIGTERM)
    server.send_signal(signal.SIGINT)
    assert 0 == server.wait()
    assert 1 == len(files(server.store))


def test_a_hangup_stops_no_service(server: ServerProcess) -> None:
    server.start()
    server.send_signal(signal.SIGHUP)
    server.wait_for("SIGHUP ignored: restart the server to change its settings")
    assert 200 == server.post({"event_type": "c"}).status_code
    assert 0 == server.stop()


def test_a_request_in_flight_is_finished(server: ServerProcess) -> None:
    server.start()
    responses: list[requests.Response] = []
    release = threading.Event()

    def slow_body() -> Iterator[bytes]:
        yield b'{"event_id": "slow", '
        release.wait(WAIT_S)
        yield b'"event_type": "c"}'

    def send() -> None:
        url = server.url + "/api/v1/events"
        responses.append(requests.post(url, data=slow_body(), timeout=WAIT_S))

    sender = threading.Thread(target=send)
    sender.start()
    wait_until(lambda: server.health()["requests_in_flight"] == 2)
    server.send_signal(signal.SIGTERM)
    server.wait_for("shutdown: asked to stop")
    release.set()
    sender.join()
    assert 0 == server.wait()
    assert [200] == [response.status_code for response in responses]
    assert "close" == responses[0].headers["Connection"].lower()
    assert ["slow"] == [event["event_id"] for event in events_in(files(server.store))]


def test_a_server_is_not_ready_while_the_journal_has_no_room_for_the_largest_event(
    server: ServerProcess,
) -> None:
    server.start(
        **absent_store(),
        JOURNAL_MAX_BYTES="64MiB",
        MAX_EVENT_BYTES="1MiB",
        DRAIN_TIMEOUT="0s",
    )
    large = {"event_type": "c", "properties": {"x": "x" * 900_000}}
    statuses = [200]
    while statuses[-1] == 200 and len(statuses) < 100:
        statuses.append(server.post(large).status_code)
    response = server.get("/ready")
    assert (503, 503) == (statuses[-1], response.status_code)
    assert "journal_full" == response.json()["error"]["code"]
    assert 200 == server.post({"event_type": "small"}).status_code
    assert 503 == server.get("/ready").status_code


def test_two_servers_never_share_a_journal(server: ServerProcess, tmp_path: Path) -> None:
    server.start()
    second = ServerProcess(tmp_path)
    second.spawn()
    assert 1 == second.wait()
    (failure,) = second.log("cannot start")
    assert "journal" in failure["cause"]
    assert 200 == server.post({"event_type": "c"}).status_code


def test_a_port_in_use_is_reported(server: ServerProcess, tmp_path: Path) -> None:
    server.start()
    second = ServerProcess(tmp_path, {"JOURNAL_DIR": "other"})
    second.spawn(PORT=server.url.rpartition(":")[2])
    assert 1 == second.wait()
    assert "in use" in second.log("cannot start")[0]["cause"]


def test_the_start_logs_every_setting_and_no_secret(server: ServerProcess) -> None:
    server.start(
        STORAGE_DIR=None,
        S3_BUCKET_NAME="nowhere",
        AWS_REGION="eu-central-1",
        S3_ENDPOINT_URL="http://user:hidden@127.0.0.1:1",
        AWS_ACCESS_KEY_ID="hidden",
        AWS_SECRET_ACCESS_KEY="hidden",
    )
    (line,) = server.log("starting")
    assert ("nowhere", "10GiB", "http://***@127.0.0.1:1") == (
        line["S3_BUCKET_NAME"],
        line["JOURNAL_MAX_BYTES"],
        line["S3_ENDPOINT_URL"],
    )
    assert "hidden" not in str(server.log())


def test_health_shows_backlog_delivery_and_version(server: ServerProcess) -> None:
    server.start(FLUSH_INTERVAL="1h")
    server.post({"event_type": "c"})
    health = server.health()
    assert ("healthy", "analytics-platform", 1, None, None) == (
        health["status"],
        health["service"],
        health["backlog"]["events"],
        health["last_delivery"],
        health["last_error"],
    )
    assert health["backlog"]["bytes"] > 0
    assert health["backlog"]["seconds"] >= 0
    assert health["timestamp"].endswith("Z")
    assert {"version", "uptime_seconds"} <= set(health)


def test_a_store_that_cannot_be_used_ends_the_server_and_loses_nothing(
    server: ServerProcess, tmp_path: Path
) -> None:
    server.spawn(
        STORAGE_DIR=None,
        S3_BUCKET_NAME="nowhere",
        AWS_REGION="eu-central-1",
        AWS_PROFILE="missing",
        AWS_CONFIG_FILE=str(tmp_path / "none"),
    )
    assert 1 == server.wait()
    assert "missing" in server.log("cannot start")[0]["cause"]
