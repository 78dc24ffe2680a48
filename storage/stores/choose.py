"""The choice of the store from the settings."""

from pathlib import Path
from typing import Protocol

from storage.filesystem import FileSystem
from storage.stores.directory import DirectoryStore
from storage.stores.store import Store

_MAX_SERVER_FIELDS_BYTES = 64 * 1024


class StoreSettings(Protocol):
    """The settings that decide which store is used; see `README.md`, "Settings"."""

    @property
    def storage_dir(self) -> Path | None: ...  # noqa: D102
    @property
    def s3_bucket_name(self) -> str | None: ...  # noqa: D102
    @property
    def aws_region(self) -> str | None: ...  # noqa: D102
    @property
    def s3_endpoint_url(self) -> str | None: ...  # noqa: D102
    @property
    def s3_conditional_writes(self) -> str: ...  # noqa: D102
    @property
    def s3_server_side_encryption(self) -> str | None: ...  # noqa: D102
    @property
    def s3_sse_kms_key_id(self) -> str | None: ...  # noqa: D102
    @property
    def upload_concurrency(self) -> int: ...  # noqa: D102
    @property
    def max_event_bytes(self) -> int: ...  # noqa: D102


def open_store(settings: StoreSettings, fs: FileSystem) -> Store:
    """Return the store for the directory or the bucket; StoreError if it cannot be used at all."""
    if settings.storage_dir is not None:
        return DirectoryStore(fs, settings.storage_dir, _max_get_bytes(settings))
    return _open_bucket(settings)


# Two attempts at one event differ in the fields of the server, such as the User-Agent.
def _max_get_bytes(settings: StoreSettings) -> int:
    return settings.max_event_bytes + _MAX_SERVER_FIELDS_BYTES


def _open_bucket(settings: StoreSettings) -> Store:
    # boto3 takes 0.1 s to load, which neither `--help` nor a directory as the store should cost.
    from storage.stores.s3 import Encryption, S3Store

    algorithm = settings.s3_server_side_encryption
    encryption = Encryption(algorithm, settings.s3_sse_kms_key_id) if algorithm else None
    return S3Store(
        settings.s3_bucket_name or "",
        region=settings.aws_region or "",
        endpoint_url=settings.s3_endpoint_url,
        connections=settings.upload_concurrency,
        conditional_writes=settings.s3_conditional_writes,
        encryption=encryption,
        max_get_bytes=_max_get_bytes(settings),
    )
