from dataclasses import dataclass
from pathlib import Path

import pytest

from storage.filesystem import LocalFileSystem
from storage.stores.choose import open_store
from storage.stores.directory import DirectoryStore
from storage.stores.s3 import Encryption, S3Store


@dataclass
class Settings:
    storage_dir: Path | None = None
    s3_bucket_name: str | None = None
    aws_region: str | None = "eu-central-1"
    s3_endpoint_url: str | None = None
    s3_conditional_writes: str = "auto"
    s3_server_side_encryption: str | None = None
    s3_sse_kms_key_id: str | None = None
    upload_concurrency: int = 2
    max_event_bytes: int = 1000


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def test_a_storage_directory_is_the_store_even_if_a_bucket_is_named(tmp_path: Path) -> None:
    store = open_store(Settings(tmp_path, "collected"), LocalFileSystem())
    assert isinstance(store, DirectoryStore)
    assert str(tmp_path) == store.describe()


def test_without_a_storage_directory_the_bucket_is_the_store() -> None:
    store = open_store(Settings(s3_bucket_name="collected"), LocalFileSystem())
    assert isinstance(store, S3Store)
    assert "s3://collected" == store.describe()


@pytest.mark.parametrize(
    ("algorithm", "key", "expected"),
    [
        (None, None, None),
        ("AES256", None, Encryption("AES256")),
        ("aws:kms", "k", Encryption("aws:kms", "k")),
    ],
)
def test_encryption_is_that_of_the_settings(
    algorithm: str | None, key: str | None, expected: Encryption | None
) -> None:
    settings = Settings(
        s3_bucket_name="collected", s3_server_side_encryption=algorithm, s3_sse_kms_key_id=key
    )
    store = open_store(settings, LocalFileSystem())
    assert isinstance(store, S3Store)
    assert expected == store.encryption
