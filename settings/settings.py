"""The settings as one frozen dataclass, checked as a whole before anything starts."""

import os.path
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voluptuous import MultipleInvalid, Optional, Schema

from settings.origins import AllowedOrigin
from settings.parsers import Network, is_access_point, size_text
from settings.variables import VARIABLES, Variable, quoted, validator

# One segment is written while others are uploaded, and a full journal must still be emptied.
MIN_SEGMENTS_IN_JOURNAL = 4


class SettingsError(Exception):
    """Settings that cannot be used; `problems` has one line for each thing that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked. Sizes are in bytes; fields that end in `_s` are in seconds.

    Either `storage_dir` is set, or `s3_bucket_name` and `aws_region` are. An empty `host` means
    all interfaces; port 0 means any free port.
    """

    storage_dir: Path | None
    s3_bucket_name: str | None
    aws_region: str | None
    s3_endpoint_url: str | None = field(repr=False)  # it may hold a password
    s3_prefix: str
    s3_conditional_writes: str
    s3_server_side_encryption: str | None
    s3_sse_kms_key_id: str | None
    host: str
    port: int
    reuse_port: bool
    cors_allowed_origins: tuple[AllowedOrigin, ...]
    cors_debug: bool
    ingest_aliases: tuple[str, ...]
    trusted_proxies: tuple[Network, ...]
    idle_timeout_s: float
    body_timeout_s: float
    body_min_rate: int
    shutdown_delay_s: float
    drain_timeout_s: float
    ack: str
    ack_timeout_s: float
    journal_dir: Path
    journal_max_bytes: int
    flush_interval_s: float
    segment_max_bytes: int
    dedup_window_s: float
    dedup_max_events: int
    object_layout: str
    auto_batch_above: int
    upload_concurrency: int
    max_body_bytes: int
    max_event_bytes: int
    max_batch_events: int
    log_level: str
    log_format: str

    @property
    def waits_for_store(self) -> bool:
        """True if a response waits until its events are delivered."""
        return self.ack == "delivered"

    @property
    def ack_wait_s(self) -> float:
        """The longest time in seconds that a response waits for the delivery of its events."""
        return self.ack_timeout_s if self.waits_for_store else 0.0


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings; a blank variable counts as unset, and unknown variables are ignored.

    Raises SettingsError with every problem.
    """
    given = _given(environ)
    problems = list(_presence_problems(given))
    try:
        values = _schema()(given)
    except MultipleInvalid as error:
        bad = {str(each.path[0]) for each in error.errors}
        problems += [(str(each.path[0]), each.error_message) for each in error.errors]
        values = _schema()({name: text for name, text in given.items() if name not in bad})
        # A bad setting has no value to compare with others.
        values = {name: value for name, value in values.items() if name not in bad}
    problems += _conflicts(values)
    if problems:
        raise SettingsError(_in_order(problems))
    return Settings(**{each.field: values.get(each.name) for each in VARIABLES})


def _given(environ: Mapping[str, str]) -> dict[str, str]:
    texts = {each.name: environ.get(each.name, "").strip() for each in VARIABLES}
    texts["AWS_REGION"] = texts["AWS_REGION"] or environ.get("AWS_DEFAULT_REGION", "").strip()
    return {name: text for name, text in texts.items() if text}


def _schema() -> Schema:
    return Schema(dict(map(_rule, VARIABLES)))


def _rule(variable: Variable) -> tuple[Optional, Callable[[str], object]]:
    if variable.default is None:
        return Optional(variable.name), validator(variable.parse)
    return Optional(variable.name, default=variable.default), validator(variable.parse)


def _presence_problems(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    bucket, directory = given.get("S3_BUCKET_NAME"), given.get("STORAGE_DIR")
    if bucket and directory:
        found = f"{quoted(directory)} and {quoted(bucket)}"
        yield "STORAGE_DIR", f"and S3_BUCKET_NAME exclude each other: set one of {found}"
    if not bucket and not directory:
        yield "S3_BUCKET_NAME", "must be set unless STORAGE_DIR is; neither is set"
    if bucket and "AWS_REGION" not in given:
        yield "AWS_REGION", "must be set if S3_BUCKET_NAME is; it is not set"


def _conflicts(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    body, event = values.get("MAX_BODY_BYTES"), values.get("MAX_EVENT_BYTES")
    if body and event and event > body:
        limit = f"MAX_BODY_BYTES ({size_text(body)})"
        yield "MAX_EVENT_BYTES", f"must be at most {limit}, not {size_text(event)}"
    journal, segment = values.get("JOURNAL_MAX_BYTES"), values.get("SEGMENT_MAX_BYTES")
    if journal and segment and journal < MIN_SEGMENTS_IN_JOURNAL * segment:
        limit = f"{MIN_SEGMENTS_IN_JOURNAL} times SEGMENT_MAX_BYTES ({size_text(segment)})"
        yield "JOURNAL_MAX_BYTES", f"must be at least {limit}, not {size_text(journal)}"
    if values.get("S3_SSE_KMS_KEY_ID") and values.get("S3_SERVER_SIDE_ENCRYPTION") != "aws:kms":
        yield "S3_SSE_KMS_KEY_ID", "must only be set with S3_SERVER_SIDE_ENCRYPTION=aws:kms"
    bucket = values.get("S3_BUCKET_NAME")
    if bucket and is_access_point(bucket) and values.get("S3_ENDPOINT_URL"):
        yield "S3_ENDPOINT_URL", "must not be set if S3_BUCKET_NAME is the ARN of an access point"
    store, journal_dir = values.get("STORAGE_DIR"), values.get("JOURNAL_DIR")
    if store and journal_dir and _overlap(store, journal_dir):
        found = f"{quoted(str(store))} and {quoted(str(journal_dir))}"
        yield (
            "STORAGE_DIR",
            f"and JOURNAL_DIR must be apart, neither inside the other, not {found}",
        )


def _overlap(one: Path, other: Path) -> bool:
    a, b = (Path(os.path.realpath(each)) for each in (one, other))
    return a.is_relative_to(b) or b.is_relative_to(a)


def _in_order(problems: list[tuple[str, str]]) -> list[str]:
    order = [each.name for each in VARIABLES]
    return [f"{name} {text}" for name, text in sorted(problems, key=lambda p: order.index(p[0]))]


def describe(settings: Settings) -> dict[str, str]:
    """Return each setting by its variable's name, as text that parses to it; mask passwords."""
    values = ((each, getattr(settings, each.field)) for each in VARIABLES)
    return {each.name: "" if value is None else each.to_text(value) for each, value in values}
