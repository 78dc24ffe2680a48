"""`server.py --check`: a trial of the journal directory and the store.

For an operator before the first start: each finding says in plain words what works or fails, and
then what to do.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from storage.journal.directory import JournalDirectory
from storage.journal.lock import DirectoryInUse, DirectoryLock
from storage.stores.store import Store, StoredObject, StoreError

_PROBE = b'{"probe":"written by --check, safe to delete"}'

# Readers of the partitions skip names that begin with an underscore.
_PROBE_KEY = "{prefix}/_check/probe.json"

_ADVICE = {
    "NoSuchBucket": "create the bucket, or correct S3_BUCKET_NAME",
    "AccessDenied": "allow s3:PutObject below the prefix, as deploy/iam-policy.json does",
    "AllAccessDisabled": "allow s3:PutObject below the prefix, as deploy/iam-policy.json does",
    "InvalidAccessKeyId": "the access key is unknown to the service: check the credentials",
    "SignatureDoesNotMatch": "the secret key is wrong: check the credentials",
    "ExpiredToken": "the credentials have expired: renew them",
    "RequestTimeTooSkewed": "set this machine's clock",
    "PermanentRedirect": "the bucket is in another region: correct AWS_REGION",
    "AuthorizationHeaderMalformed": "the bucket is in another region: correct AWS_REGION",
    "NoCredentialsError": "give credentials: `aws configure`, the environment, or a role",
    "PartialCredentialsError": "give both the access key and the secret key",
    "EndpointConnectionError": "check the network, AWS_REGION and S3_ENDPOINT_URL",
    "ConnectTimeoutError": "check the network, a firewall, and S3_ENDPOINT_URL",
    "NotAcknowledged": "not S3 but something else responds there: correct S3_ENDPOINT_URL",
    "UnexpectedRedirect": "not S3 but something else responds there: correct S3_ENDPOINT_URL",
    "PermissionError": "let the user that runs the server write there",
}

_NOT_PERMITTED = frozenset({"AccessDenied", "403", "PermissionError"})


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one trial; `ok` if the server can work with it."""

    ok: bool
    text: str


def check_journal(directory: JournalDirectory) -> Finding:
    """Make the directory, take its lock, write and sync a file in it."""
    path = directory.path
    try:
        directory.make()
        lock = DirectoryLock(directory)
    except DirectoryInUse as error:
        return Finding(False, f"journal: {error}; stop that process, or set another JOURNAL_DIR")
    except OSError as error:
        return Finding(False, f"journal: {path} cannot be used: {error}{_advice(error)}")
    try:
        directory.check_writable()
        directory.sync()
    except OSError as error:
        return Finding(False, f"journal: {path} cannot be written: {error}{_advice(error)}")
    finally:
        lock.release()
    return Finding(True, f"journal: {path} can be written and synced")


def check_store(open_store: Callable[[], Store], prefix: str) -> Iterator[Finding]:
    """Put a probe; read and delete it if permitted, although the server needs neither."""
    try:
        store = open_store()
    except StoreError as error:
        yield Finding(False, f"store: cannot be used: {error}")
        return
    key = _PROBE_KEY.format(prefix=prefix)
    where = f"{store.describe()}/{key}"
    try:
        store.put(StoredObject(key, "application/json", len(_PROBE), partial(io.BytesIO, _PROBE)))
    except StoreError as error:
        yield Finding(False, f"store: {where} cannot be put: {error}{_advice(error)}")
        return
    yield Finding(True, f"store: {where} was put")
    yield _read_back(store, key)
    yield _clean_up(store, key, where)


def _read_back(store: Store, key: str) -> Finding:
    try:
        found = store.get(key)
    except StoreError as error:
        if error.code not in _NOT_PERMITTED:
            return Finding(False, f"store: the probe cannot be read back: {error}{_advice(error)}")
        return Finding(True, f"store: reading is not permitted, which is fine ({error.code})")
    if found != _PROBE:
        return Finding(
            False, "store: the probe was read back with other bytes: do not use this store"
        )
    return Finding(True, "store: the probe was read back unchanged")


def _clean_up(store: Store, key: str, where: str) -> Finding:
    try:
        store.delete(key)
    except StoreError as error:
        if error.code not in _NOT_PERMITTED:
            return Finding(False, f"store: the probe cannot be deleted: {error}{_advice(error)}")
        text = f"store: deleting is not permitted, which is fine ({error.code}); {where} stays"
        return Finding(True, text)
    return Finding(True, "store: the probe was deleted")


def _advice(error: OSError | StoreError) -> str:
    code = error.code if isinstance(error, StoreError) else type(error).__name__
    advice = _ADVICE.get(code)
    return f" -- {advice}" if advice else ""
