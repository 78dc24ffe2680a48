"""ACK=delivered: a success is answered when the store has the event."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from tests.support.objects import events_in, files
from tests.support.seaweed import free_ports
from tests.support.server_process import ServerProcess


def ids_in(server: ServerProcess) -> Counter[str]:
    return Counter(event["event_id"] for event in events_in(files(server.store)))


def without_store(server: ServerProcess, **settings: str) -> ServerProcess:
    """Start it with a store that nobody answers for."""
    (port,) = free_ports(1)
    return server.start(
        ACK="delivered",
        STORAGE_DIR=None,
        S3_BUCKET_NAME="nowhere",
        AWS_REGION="eu-central-1",
        S3_ENDPOINT_URL=f"http://127.0.0.1:{port}",
        AWS_ACCESS_KEY_ID="a",
        AWS_SECRET_ACCESS_KEY="b",
        DRAIN_TIMEOUT="0s",
        **settings,
    )


def with_store(server: ServerProcess, **settings: str) -> ServerProcess:
    return server.start(ACK="delivered", S3_BUCKET_NAME=None, STORAGE_DIR="store", **settings)


def unconfirmed(answer: requests.Response) -> list[dict[str, Any]]:
    """The details of a 503 that says that the events may still be delivered."""
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (503, "delivery_unconfirmed")
    assert "may still be delivered" in error["message"]
    assert int(answer.headers["Retry-After"]) > 0
    details: list[dict[str, Any]] = error["details"]
    return details


def test_an_answered_event_is_in_the_store_and_did_not_wait_for_the_flush(
    server: ServerProcess,
) -> None:
    with_store(server, FLUSH_INTERVAL="1h")

    def send(number: int) -> bool:
        answer = server.post({"event_id": f"e{number}", "event_type": "c"})
        return answer.ok and ids_in(server)[f"e{number}"] == 1

    with ThreadPoolExecutor(16) as senders:
        assert all(senders.map(send, range(100)))
    batch = [{"event_id": f"b{number}", "event_type": "c"} for number in range(300)]
    assert server.post(batch, "/api/v1/events/batch").status_code == 200
    assert {1} == set(ids_in(server).values())
    assert len(ids_in(server)) == 400


def test_an_event_the_store_did_not_confirm_is_503_and_may_be_sent_again(
    server: ServerProcess,
) -> None:
    without_store(server, ACK_TIMEOUT="300ms")
    event = {"event_id": "e1", "event_type": "c"}
    expected = [{"path": "event_id", "message": "retry this event as e1, and it is stored once"}]
    assert unconfirmed(server.post(event)) == expected
    assert unconfirmed(server.post(event)) == expected
    assert server.get("/health").json()["events"]["pending"] == 1
    assert server.stop() == 0
    with_store(server)
    answer = server.post(event)
    assert (answer.status_code, answer.json()["duplicate"]) == (200, True)
    assert ids_in(server) == {"e1": 1}


def test_an_id_that_was_made_here_may_be_sent_again_too(server: ServerProcess) -> None:
    without_store(server, ACK_TIMEOUT="300ms")
    batch = [{"event_type": "c"}, {"event_id": "mine", "event_type": "c"}, {"event_type": ""}]
    details = unconfirmed(server.post(batch, "/api/v1/events/batch"))
    made, mine = (detail["message"].split()[4].rstrip(",") for detail in details)
    assert mine == "mine"
    server.kill()
    with_store(server)
    again = [{"event_id": made, "event_type": "c"}, {"event_id": mine, "event_type": "c"}]
    answer = server.post(again, "/api/v1/events/batch")
    assert (answer.status_code, answer.json()["duplicate_count"]) == (200, 2)
    assert ids_in(server) == {made: 1, "mine": 1}


def test_a_duplicate_is_no_success_before_the_first_is_delivered(server: ServerProcess) -> None:
    without_store(server, ACK_TIMEOUT="300ms")
    unconfirmed(server.post({"event_id": "e1", "event_type": "c"}))
    server.kill()
    without_store(server, ACK_TIMEOUT="300ms")
    unconfirmed(server.post({"event_id": "e1", "event_type": "c"}))


def test_a_request_that_waits_for_the_store_is_answered_at_shutdown(
    server: ServerProcess,
) -> None:
    without_store(server, ACK_TIMEOUT="1s")
    with ThreadPoolExecutor(1) as sender:
        answer = sender.submit(server.post, {"event_id": "e1", "event_type": "c"})
        while json.loads(server.get("/health").text)["events"]["durable"] == 0:
            pass
        assert server.stop() == 0
        unconfirmed(answer.result())
