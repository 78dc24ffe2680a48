"""ACK=delivered: the response is a success only when the store has the event."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from tests.support.absent_store import absent_store
from tests.support.objects import events_in, files
from tests.support.server_process import ServerProcess
from tests.support.waiting import WAIT_S, wait_until


def ids_in(server: ServerProcess) -> Counter[str]:
    return Counter(event["event_id"] for event in events_in(files(server.store)))


def without_store(server: ServerProcess, **settings: str) -> ServerProcess:
    """Start the server with a store at whose address nobody listens."""
    return server.start(
        ACK="delivered",
        **absent_store(),
        DRAIN_TIMEOUT="0s",
        **settings,
    )


def with_store(server: ServerProcess, **settings: str) -> ServerProcess:
    """Start the server with a store in a directory, and time to deliver on a busy machine."""
    return server.start(
        ACK="delivered",
        ACK_TIMEOUT=f"{WAIT_S}s",
        S3_BUCKET_NAME=None,
        STORAGE_DIR="store",
        **settings,
    )


def unconfirmed(response: requests.Response) -> list[dict[str, Any]]:
    """Check that a response is a 503 for unconfirmed delivery, and return its details."""
    error = response.json()["error"]
    assert (503, "delivery_unconfirmed") == (response.status_code, error["code"])
    assert "may still be delivered" in error["message"]
    assert int(response.headers["Retry-After"]) > 0
    details: list[dict[str, Any]] = error["details"]
    return details


def test_a_success_means_in_the_store_and_does_not_wait_for_the_flush(
    server: ServerProcess,
) -> None:
    with_store(server, FLUSH_INTERVAL="1h")

    def send(number: int) -> bool:
        response = server.post({"event_id": f"e{number}", "event_type": "c"})
        return response.ok and ids_in(server)[f"e{number}"] == 1

    with ThreadPoolExecutor(16) as senders:
        delivered_at_response = list(senders.map(send, range(100)))
    assert [] == [number for number, there in enumerate(delivered_at_response) if not there]
    batch = [{"event_id": f"b{number}", "event_type": "c"} for number in range(300)]
    assert 200 == server.post(batch, "/api/v1/events/batch").status_code
    assert {1} == set(ids_in(server).values())
    assert 400 == len(ids_in(server))


def test_an_event_the_store_did_not_confirm_is_503_and_may_be_retried(
    server: ServerProcess,
) -> None:
    without_store(server, ACK_TIMEOUT="300ms")
    event = {"event_id": "e1", "event_type": "c"}
    expected = [{"path": "event_id", "message": "retry this event as e1, and it is stored once"}]
    assert expected == unconfirmed(server.post(event))
    assert expected == unconfirmed(server.post(event))
    assert 1 == server.health()["events"]["pending"]
    assert 0 == server.stop()
    with_store(server)
    response = server.post(event)
    assert (200, True) == (response.status_code, response.json()["duplicate"])
    assert {"e1": 1} == ids_in(server)


def test_a_generated_id_may_be_retried_too(server: ServerProcess) -> None:
    without_store(server, ACK_TIMEOUT="300ms")
    batch = [{"event_type": "c"}, {"event_id": "mine", "event_type": "c"}, {"event_type": ""}]
    details = unconfirmed(server.post(batch, "/api/v1/events/batch"))
    made, mine = (detail["message"].split()[4].rstrip(",") for detail in details)
    assert "mine" == mine
    server.kill()
    with_store(server)
    again = [{"event_id": made, "event_type": "c"}, {"event_id": mine, "event_type": "c"}]
    response = server.post(again, "/api/v1/events/batch")
    assert (200, 2) == (response.status_code, response.json()["duplicate_count"])
    assert {made: 1, "mine": 1} == ids_in(server)


def test_a_duplicate_is_no_success_before_the_first_is_delivered(server: ServerProcess) -> None:
    without_store(server, ACK_TIMEOUT="300ms")
    unconfirmed(server.post({"event_id": "e1", "event_type": "c"}))
    server.kill()
    without_store(server, ACK_TIMEOUT="300ms")
    unconfirmed(server.post({"event_id": "e1", "event_type": "c"}))


def test_a_request_that_waits_for_the_store_gets_its_response_at_shutdown(
    server: ServerProcess,
) -> None:
    without_store(server, ACK_TIMEOUT="1s")
    with ThreadPoolExecutor(1) as sender:
        response = sender.submit(server.post, {"event_id": "e1", "event_type": "c"})
        wait_until(lambda: server.health()["events"]["durable"] == 1)
        assert 0 == server.stop()
        unconfirmed(response.result())
