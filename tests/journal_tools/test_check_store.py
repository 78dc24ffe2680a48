"""The trial of the store by `server.py --check`, with stores that keep their promises or do not."""

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path

import boto3
import duckdb
import pytest
from moto.server import ThreadedMotoServer

from journal_tools.check_store import check_store
from journal_tools.findings import Finding
from storage.filesystem import LocalFileSystem
from storage.stores.directory import DirectoryStore
from storage.stores.s3 import S3Store
from storage.stores.store import Store, StoredObject, StoreError
from tests.faults.faulty_s3 import FaultyS3
from tests.support.seaweed import REGION, Bucket

KEY = "a/b/year=1970/month=12/day=31/_probe.json"
CHECKSUM = "store: a body with a wrong checksum is refused"
CONDITION = "store: an existing object is not replaced (If-None-Match)"
READ = "store: the probe was read back unchanged"
DELETED = "store: the probe was deleted"


class MemoryStore:
    """A store in memory.

    It refuses the operations in `refused` with their codes, and breaks the promises in `breaks`:
    `md5`, `condition`, `condition unsupported`, `refusal` (it refuses, and stores none the less)
    and `body`.
    """

    def __init__(self, *breaks: str, **refused: str) -> None:
        self.objects: dict[str, bytes] = {}
        self.bodies: list[bytes] = []
        self.breaks = breaks
        self.refused = refused

    def check(self, operation: str) -> None:
        if operation in self.refused:
            raise StoreError(self.refused[operation], "no", permanent=True)

    def put(self, item: StoredObject) -> bool:
        self.check("put")
        with item.open() as opened:
            body = opened.read()
        self.bodies.append(body)
        if item.create_only and "condition unsupported" in self.breaks:
            raise StoreError("NotImplemented", "no", permanent=True)
        is_wrong = item.md5 not in (None, hashlib.md5(body, usedforsecurity=False).digest())
        if is_wrong and "md5" not in self.breaks:
            raise StoreError("BadDigest", "no", permanent=False)
        if item.create_only and item.key in self.objects and "condition" not in self.breaks:
            if "refusal" in self.breaks:
                self.objects[item.key] = body
            return False
        self.objects[item.key] = body.strip() if "body" in self.breaks else body
        return True

    def get(self, key: str) -> bytes:
        self.check("get")
        return self.objects[key]

    def delete(self, key: str) -> None:
        self.check("delete")
        del self.objects[key]

    def describe(self) -> str:
        return "memory"


def findings(store: Store, conditional_writes: str = "auto") -> list[Finding]:
    return list(check_store(lambda: store, "a/b", conditional_writes))


def labels(found: list[Finding]) -> list[str]:
    return [each.label for each in found]


def test_a_store_that_keeps_its_promises_is_left_empty() -> None:
    store = MemoryStore()
    assert [
        Finding(True, f"store: memory/{KEY} was put and acknowledged"),
        Finding(True, CHECKSUM),
        Finding(True, CONDITION),
        Finding(True, READ),
        Finding(True, DELETED),
    ] == findings(store)
    assert {} == store.objects


def test_each_body_is_another_one_of_white_space() -> None:
    store = MemoryStore()
    findings(store)
    assert 3 == len(set(store.bodies))
    assert [b""] * 3 == [body.strip() for body in store.bodies]


@pytest.mark.parametrize("code", ["AccessDenied", "403", "PermissionError"])
def test_a_store_that_permits_only_to_put_is_fine(code: str) -> None:
    found = findings(MemoryStore(get=code, delete=code))
    assert ["ok"] * 5 == labels(found)
    assert f"reading is not permitted, which is fine ({code})" in found[3].text
    assert f"{KEY} stays" in found[4].text


def test_a_refused_put_ends_the_check_with_advice() -> None:
    (found,) = findings(MemoryStore(put="NoSuchBucket"))
    assert not found.ok
    assert "cannot be put" in found.text
    assert "-- create the bucket, or correct S3_BUCKET_NAME" in found.text


@pytest.mark.parametrize("operation", ["get", "delete"])
def test_another_error_than_a_missing_permission_is_a_failure(operation: str) -> None:
    store = MemoryStore(**{operation: "SlowDown"})
    (failed,) = (each for each in findings(store) if not each.ok)
    assert "SlowDown: no" in failed.text


def test_a_store_that_verifies_no_checksum_is_a_warning_that_says_what_follows() -> None:
    found = findings(MemoryStore("md5"))
    assert ["ok", "WARN", "ok", "ok", "ok"] == labels(found)
    assert "is stored as it arrives" in found[1].text


@pytest.mark.parametrize(
    ("setting", "label", "words"),
    [
        ("auto", "WARN", "replaces the one that was stored"),
        ("on", "FAIL", "replaces the one that was stored"),
        ("off", "ok", "as S3_CONDITIONAL_WRITES=off asks for"),
    ],
)
def test_a_store_that_replaces_objects_is_reported(setting: str, label: str, words: str) -> None:
    found = findings(MemoryStore("condition"), setting)
    assert ["ok", "ok", label, "ok", "ok"] == labels(found)
    assert words in found[2].text


def test_conditional_writes_that_are_required_and_not_supported_are_a_failure() -> None:
    found = findings(MemoryStore("condition unsupported"), "on")
    assert ["ok", "ok", "FAIL", "ok", "ok"] == labels(found)
    assert "set S3_CONDITIONAL_WRITES to auto" in found[2].text


@pytest.mark.parametrize("promise", ["refusal", "body"])
def test_other_bytes_than_were_put_are_a_failure(promise: str) -> None:
    found = findings(MemoryStore(promise))
    assert ["ok", "ok", "ok", "FAIL", "ok"] == labels(found)
    assert "do not use this store" in found[3].text


def test_a_store_that_cannot_be_opened_is_reported() -> None:
    def refuse() -> Store:
        raise StoreError("NoRegion", "set AWS_REGION", permanent=True)

    (found,) = check_store(refuse, "a/b")
    assert Finding(False, "store: cannot be used: NoRegion: set AWS_REGION") == found


def test_a_profile_that_does_not_exist_is_reported_with_advice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "missing")
    (found,) = check_store(lambda: s3("http://127.0.0.1:1", "b"), "a/b")
    assert not found.ok
    assert "AWS_PROFILE names no profile" in found.text


def test_a_directory_keeps_all_promises(tmp_path: Path) -> None:
    assert ["ok"] * 5 == labels(findings(DirectoryStore(LocalFileSystem(), tmp_path)))
    assert [] == [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def s3(url: str, bucket: str, region: str = REGION) -> S3Store:
    return S3Store(bucket, region=region, endpoint_url=url, connections=1)


def test_seaweedfs_keeps_all_promises_with_a_role_that_may_only_put(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in bucket.settings.items():
        monkeypatch.setenv(name, value)
    store = s3(bucket.seaweed.endpoint_url, bucket.name)
    found = findings(store)
    assert ["ok"] * 5 == labels(found), found
    assert [CHECKSUM, CONDITION] == [each.text for each in found[1:3]]
    assert {} == bucket.objects()


@pytest.mark.usefixtures("credentials")
def test_moto_does_not_verify_checksums() -> None:
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    try:
        host, port = moto.get_host_and_port()
        url = f"http://{host}:{port}"
        client = boto3.session.Session().client("s3", endpoint_url=url, region_name=REGION)
        client.create_bucket(Bucket="probed")
        found = findings(s3(url, "probed"))
        client.close()
    finally:
        moto.stop()
    assert ["ok", "WARN", "ok", "ok", "ok"] == labels(found), found


@pytest.fixture
def fake(credentials: None) -> Iterator[FaultyS3]:
    with FaultyS3() as server:
        yield server


@pytest.mark.parametrize(
    ("ignored", "expected"),
    [
        (set(), ["ok", "ok", "ok", "ok", "ok"]),
        ({"If-None-Match"}, ["ok", "ok", "WARN", "ok", "ok"]),
        ({"If-None-Match", "Content-MD5"}, ["ok", "WARN", "WARN", "ok", "ok"]),
    ],
)
def test_a_store_that_ignores_header_fields_is_found_out(
    fake: FaultyS3, ignored: set[str], expected: list[str]
) -> None:
    fake.ignored_fields = ignored
    assert expected == labels(findings(s3(fake.endpoint_url, "b")))
    assert {} == fake.stored.objects


def test_a_store_that_answers_without_an_etag_is_a_failure(fake: FaultyS3) -> None:
    fake.probabilities = {"web_page": 1.0}
    (found,) = findings(s3(fake.endpoint_url, "b"))
    assert not found.ok
    assert "NotAcknowledged" in found.text
    assert "correct S3_ENDPOINT_URL" in found.text


class KeepingStore(DirectoryStore):
    """A directory of which nothing may be deleted."""

    def delete(self, key: str) -> None:
        raise StoreError("AccessDenied", "no", permanent=True)


def test_a_probe_that_stays_breaks_no_readers_glob(tmp_path: Path) -> None:
    day = tmp_path / "a" / "b" / "year=2026" / "month=11" / "day=23"
    day.mkdir(parents=True)
    (day / "e1.json").write_text('{"event_id":"e1","n":1}')
    (day / "s.ndjson.gz").write_bytes(gzip.compress(b'{"event_id":"e2"}\n{"event_id":"e3"}\n'))
    query = f"""
        SELECT event_id, n, year, month, day
        FROM read_json('{tmp_path}/a/b/**/*', hive_partitioning = true, union_by_name = true)
        ORDER BY event_id
    """
    before = duckdb.sql(query).fetchall()
    assert ["ok"] * 5 == labels(findings(KeepingStore(LocalFileSystem(), tmp_path)))
    assert (tmp_path / KEY).exists()
    assert before == duckdb.sql(query).fetchall()
    assert 3 == len(before)


def test_athena_and_spark_skip_the_probe_by_its_name() -> None:
    *partitions, name = KEY.removeprefix("a/b/").split("/")
    assert ["year", "month", "day"] == [each.partition("=")[0] for each in partitions]
    assert name.startswith("_")
