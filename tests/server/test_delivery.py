"""From a request to an object in the store, through the whole server."""

import gzip
import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from tests.support.objects import events_in, files
from tests.support.seaweed import REGION, Bucket, Seaweed, client
from tests.support.server_process import ServerProcess
from tests.validation.test_strict_json import texts, values
from validation.field_names import name_problems

DAY = re.compile(r"events/year=\d{4}/month=\d\d/day=\d\d/")
MOMENT = "2026-11-23T23:59:59.999Z"
PARTITION = "events/year=2026/month=11/day=23"


def test_an_event_becomes_an_object_of_its_own(server: ServerProcess) -> None:
    server.start()
    response = server.post({"event_id": "e1", "event_type": "click", "timestamp": MOMENT})
    assert 200 == response.status_code
    server.wait_until_delivered()
    (key, body), *others = files(server.store).items()
    assert [] == others
    assert f"{PARTITION}/e1.json" == key
    event = json.loads(body)
    assert ("click", MOMENT, "127.0.0.1") == (
        event["event_type"],
        event["timestamp"],
        event["ip_address"],
    )
    assert event["user_agent"].startswith("python-requests/")


def test_a_burst_becomes_few_objects(server: ServerProcess) -> None:
    server.start()
    for _ in range(3):
        response = server.post([{"event_type": "c"}] * 1000, "/api/v1/events/batch")
        assert 1000 == response.json()["success_count"]
    server.wait_until_delivered()
    objects = files(server.store)
    assert len(objects) <= 6
    assert [] == [key for key in objects if not key.endswith(".ndjson.gz")]
    assert 3000 == len({event["event_id"] for event in events_in(objects)})


def test_a_batch_is_partitioned_by_the_day_of_each_event(server: ServerProcess) -> None:
    server.start(OBJECT_LAYOUT="batch", S3_PREFIX="raw/web")
    days = ["2026-11-22T23:59:59.999Z", "2026-11-23T00:00:00Z", "2026-11-22T19:00:00-05:00"]
    server.post([{"event_type": "c", "timestamp": day} for day in days], "/api/v1/events/batch")
    server.wait_until_delivered()
    by_day = {key.rpartition("/")[0]: body for key, body in files(server.store).items()}
    assert {
        "raw/web/year=2026/month=11/day=22": 1,
        "raw/web/year=2026/month=11/day=23": 2,
    } == {day: len(gzip.decompress(body).splitlines()) for day, body in by_day.items()}


own_fields = st.dictionaries(texts.map(lambda name: f"own {name}"), values, max_size=4).filter(
    lambda own: not list(name_problems(own))
)


@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    batch=st.lists(st.tuples(own_fields, st.dictionaries(texts, values)), min_size=1, max_size=8)
)
def test_the_store_has_every_field_as_it_was_sent(
    running: ServerProcess, batch: list[tuple[dict[str, Any], dict[str, Any]]]
) -> None:
    sent = [{"event_type": "c", "properties": props, **own} for own, props in batch]
    result = running.post(sent, "/api/v1/events/batch").json()
    assert len(sent) == result["success_count"], result
    running.wait_until_delivered()
    stored = {event["event_id"]: event for event in events_in(files(running.store))}
    for event, event_id in zip(sent, result["event_ids"], strict=True):
        assert event == {name: stored[event_id][name] for name in event}


@pytest.fixture
def running(server: ServerProcess) -> ServerProcess:
    return server.start(FLUSH_INTERVAL="20ms")


def test_permission_to_put_objects_is_enough(server: ServerProcess, bucket: Bucket) -> None:
    server.start(STORAGE_DIR=None, **bucket.settings)
    assert (
        200 == server.post({"event_id": "e1", "event_type": "c", "timestamp": MOMENT}).status_code
    )
    batch = [{"event_id": "e2", "event_type": "c", "timestamp": MOMENT}, {}]
    assert 207 == server.post(batch, "/api/v1/events/batch").status_code
    server.wait_until_delivered()
    objects = bucket.objects()
    assert {f"{PARTITION}/e1.json", f"{PARTITION}/e2.json"} == set(objects)
    assert {"e1", "e2"} == {event["event_id"] for event in events_in(objects)}
    assert None is server.health()["last_error"]
    assert 0 == server.stop()


def test_batch_objects_in_s3_have_a_content_type_and_no_content_encoding(
    server: ServerProcess, bucket: Bucket
) -> None:
    server.start(STORAGE_DIR=None, OBJECT_LAYOUT="batch", **bucket.settings)
    server.post([{"event_type": "c"}] * 5, "/api/v1/events/batch")
    server.wait_until_delivered()
    ((key, _),) = bucket.objects().items()
    found = bucket.seaweed.admin.head_object(Bucket=bucket.name, Key=key)
    assert "application/gzip" == found["ContentType"]
    assert "ContentEncoding" not in found, "readers that go by the name would decompress twice"


def test_delivery_to_motos_s3(server: ServerProcess) -> None:
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    try:
        host, port = moto.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        s3 = client(endpoint, "anyone")
        s3.create_bucket(Bucket="events-of-tests")
        server.start(
            STORAGE_DIR=None,
            S3_BUCKET_NAME="events-of-tests",
            AWS_REGION=REGION,
            S3_ENDPOINT_URL=endpoint,
            AWS_ACCESS_KEY_ID="anyone",
            AWS_SECRET_ACCESS_KEY="anything",
        )
        server.post({"event_id": "e1", "event_type": "c", "timestamp": MOMENT})
        server.wait_until_delivered()
        body = s3.get_object(Bucket="events-of-tests", Key=f"{PARTITION}/e1.json")["Body"].read()
        assert "e1" == json.loads(body)["event_id"]
        server.stop()
    finally:
        moto.stop()


def test_a_wrong_secret_delays_delivery_and_loses_nothing(
    server: ServerProcess, bucket: Bucket
) -> None:
    server.start(STORAGE_DIR=None, **bucket.settings | {"AWS_SECRET_ACCESS_KEY": "wrong"})
    assert 200 == server.post({"event_id": "e1", "event_type": "c"}).status_code
    failure = server.wait_for("delivery failed")
    assert ("error", "SignatureDoesNotMatch", True) == (
        failure["level"],
        failure["code"],
        failure["permanent"],
    )
    health = server.health()
    assert ("SignatureDoesNotMatch", 1) == (
        health["last_error"]["code"],
        health["backlog"]["events"],
    )
    assert 200 == server.get("/ready").status_code
    server.kill()
    server.start(**bucket.settings)
    server.wait_until_delivered()
    assert ["e1"] == [event["event_id"] for event in events_in(bucket.objects())]


def test_neither_the_log_nor_health_has_a_password(server: ServerProcess) -> None:
    server.start(
        STORAGE_DIR=None,
        S3_BUCKET_NAME="bucket",
        AWS_REGION=REGION,
        S3_ENDPOINT_URL="http://user:pa55@127.0.0.1:1",
        AWS_ACCESS_KEY_ID="key",
        AWS_SECRET_ACCESS_KEY="pa55",
    )
    server.post({"event_type": "c"})
    server.wait_for("delivery failed")
    shown = json.dumps([server.health(), *server.log("starting"), *server.log("delivery failed")])
    assert "127.0.0.1:1" in shown
    assert "pa55" not in shown


def test_a_bucket_created_later_gets_every_event(server: ServerProcess, seaweed: Seaweed) -> None:
    bucket = seaweed.bucket()
    server.start(STORAGE_DIR=None, **bucket.settings)
    for number in range(3):
        assert 200 == server.post({"event_id": f"e{number}", "event_type": "c"}).status_code
    assert "NoSuchBucket" == server.wait_for("delivery failed")["code"]
    bucket.make()
    server.wait_until_delivered()
    assert ["e0", "e1", "e2"] == sorted(each["event_id"] for each in events_in(bucket.objects()))
    bucket.remove()


def test_an_event_with_an_id_that_another_server_stored_is_stored_beside_it(
    server: ServerProcess, bucket: Bucket
) -> None:
    server.start(STORAGE_DIR=None, FLUSH_INTERVAL="50ms", **bucket.settings)
    server.post({"event_id": "e1", "event_type": "theirs"})
    server.wait_until_delivered()
    server.stop()
    server.start(JOURNAL_DIR="another-journal")
    assert "duplicate" not in server.post({"event_id": "e1", "event_type": "ours"}).json()
    server.wait_until_delivered()
    stored = {each["event_type"]: each for each in events_in(bucket.objects())}
    assert {"theirs", "ours"} == set(stored)
    assert ("e1", "e1") == (stored["theirs"]["event_id"], stored["ours"]["original_event_id"])
    assert 1 == server.wait_for("event id conflict in store")["objects"]
    assert 1 == server.health()["late_conflicts"]


def test_s3_may_be_killed_and_restarted_under_traffic(
    server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> None:
    own = Seaweed(tmp_path_factory.mktemp("own-seaweed"))
    own.start()
    try:
        bucket = own.make_bucket()
        server.start(STORAGE_DIR=None, FLUSH_INTERVAL="50ms", **bucket.settings)
        sent = []
        for number in range(120):
            if number == 20:
                own.stop()
            if number == 80:
                own.start()
            sent.append(f"e{number}")
            assert 200 == server.post({"event_id": sent[-1], "event_type": "c"}).status_code
        server.wait_until_delivered()
        assert sorted(sent) == sorted(each["event_id"] for each in events_in(bucket.objects()))
        assert server.log("delivery failed")
    finally:
        own.stop()
