"""The environment variables that are settings: the one list of them, and the parser of each.

The schema of the settings is built from this table; tests check README.md and .env.example
against it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from voluptuous import Invalid, Schema

from logs.secrets import masked
from settings.origins import EVERY_ORIGIN, AllowedOrigin, allowed_origin, check_together
from settings.parsers import (
    GIB,
    KIB,
    MIB,
    TIB,
    Network,
    bucket_name,
    choice,
    directory,
    duration,
    duration_text,
    encryption,
    endpoint_url,
    host,
    key_prefix,
    kms_key_id,
    network,
    path_prefix,
    region,
    size,
    size_text,
    switch,
    whole_number,
)

_MAX_QUOTED_CHARS = 100
_MAX_SEARCHED_CHARS = 40 * _MAX_QUOTED_CHARS
# Everything up to the last @ may be a password, which may itself hold any character.
_USERINFO = re.compile(r"^([a-z][a-z0-9+.-]*://)?.*@", re.ASCII | re.I | re.S)

_LOCAL_NETWORKS = "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"
_NO_NETWORKS = "none"


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable.

    `field` is its name in Settings. `default` is the text used where the variable is not set; None
    means that there is none. `summary` is a phrase for the documentation. `parse` turns text into
    the value, or raises ValueError or voluptuous.Invalid; `to_text` turns a value back into text
    that parses to it.
    """

    name: str
    field: str
    default: str | None
    summary: str
    parse: Callable[[str], object]
    to_text: Callable[[Any], str] = str


def _masked(text: str) -> str:
    return masked(_USERINFO.sub(r"\1***@", text)[:_MAX_SEARCHED_CHARS])


def quoted(text: str) -> str:
    """Quote a value for a message: on one line, cut if long, with passwords masked."""
    shown = _masked(text)
    if len(shown) > _MAX_QUOTED_CHARS:
        shown = f"{shown[:_MAX_QUOTED_CHARS]}..."
    return f'"{"".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)}"'


def validator(parse: Callable[[str], object]) -> Callable[[str], object]:
    """Make a voluptuous validator of a parser; its errors quote the value, passwords masked."""

    def validate(text: str) -> object:
        try:
            return parse(text)
        except ValueError as error:
            raise Invalid(f"{error}, not {quoted(text)}") from None

    return validate


def _entries(text: str) -> list[str]:
    return [entry for part in text.split(",") if (entry := part.strip())]


def _each(parse: Callable[[str], object]) -> Callable[[str], tuple[Any, ...]]:
    """Make a parser of comma-separated lists that reports each bad entry separately."""
    schema = Schema([validator(parse)])

    def parse_list(text: str) -> tuple[Any, ...]:
        return tuple(schema(_entries(text)))

    return parse_list


def _origins(text: str) -> tuple[AllowedOrigin, ...]:
    origins: tuple[AllowedOrigin, ...] = _each(allowed_origin)(text)
    check_together(origins)
    return origins


def _origins_text(origins: tuple[AllowedOrigin, ...]) -> str:
    return ",".join(each.text for each in origins)


def _networks(text: str) -> tuple[Network, ...]:
    if text.lower() == _NO_NETWORKS:
        return ()
    networks: tuple[Network, ...] = _each(network)(text)
    if not networks:
        raise ValueError(f"must be a comma-separated list of networks, or {_NO_NETWORKS}")
    return networks


def _networks_text(networks: tuple[Network, ...]) -> str:
    return ",".join(map(str, networks)) or _NO_NETWORKS


def _switch_text(on: bool) -> str:
    return "true" if on else "false"


# Columns: name, field, default, summary, parser, formatter.
# fmt: off
VARIABLES: tuple[Variable, ...] = (
    # Store
    Variable("STORAGE_DIR", "storage_dir", None,
             "local directory to use as the store instead of S3", directory),
    Variable("S3_BUCKET_NAME", "s3_bucket_name", None,
             "S3 bucket, or an access point's ARN or alias; required unless `STORAGE_DIR` is set",
             bucket_name),
    Variable("AWS_REGION", "aws_region", None,
             "region of the bucket; required with S3 (`AWS_DEFAULT_REGION` is used if unset)",
             region),
    Variable("S3_ENDPOINT_URL", "s3_endpoint_url", None,
             "endpoint of an S3-compatible service, such as `http://localhost:9000`",
             endpoint_url, _masked),
    Variable("S3_PREFIX", "s3_prefix", "events", "prefix of every object key", key_prefix),
    Variable("S3_CONDITIONAL_WRITES", "s3_conditional_writes", "auto",
             "never replace the object of a single event (`If-None-Match: *`): `on`, `off`, or "
             "`auto` (if the service supports it)", choice("auto", "on", "off")),
    Variable("S3_SERVER_SIDE_ENCRYPTION", "s3_server_side_encryption", None,
             "encryption at rest to request for each object: `AES256` or `aws:kms` (if unset, the "
             "bucket's default)", encryption),
    Variable("S3_SSE_KMS_KEY_ID", "s3_sse_kms_key_id", None,
             "with `aws:kms`: id, ARN or alias of the key (if unset, the account's own for S3)",
             kms_key_id),
    # HTTP
    Variable("HOST", "host", "", "address to listen on; empty for all interfaces", host),
    Variable("PORT", "port", "8080", "port to listen on; 0 for any free port",
             whole_number(0, 65535)),
    Variable("REUSE_PORT", "reuse_port", "false",
             "let several processes share the port, each with its own `JOURNAL_DIR`",
             switch, _switch_text),
    Variable("CORS_ALLOWED_ORIGINS", "cors_allowed_origins", EVERY_ORIGIN,
             "origins whose pages may send events, comma-separated; `https://*.example.com` "
             "allows all subdomains", _origins, _origins_text),
    Variable("CORS_DEBUG", "cors_debug", "false",
             "log why the origin of each request was allowed or refused", switch, _switch_text),
    Variable("INGEST_ALIASES", "ingest_aliases", "",
             "extra path prefixes for the same endpoints, against ad blockers, comma-separated, "
             "such as `/a`", _each(path_prefix), ",".join),
    Variable("TRUSTED_PROXIES", "trusted_proxies", _LOCAL_NETWORKS,
             "networks of proxies whose `X-Forwarded-For` is trusted, comma-separated, or `none`",
             _networks, _networks_text),
    Variable("IDLE_TIMEOUT", "idle_timeout_s", "120s",
             "how long a connection may be idle; longer than a proxy or balancer in front keeps it",
             duration(1, 86400), duration_text),
    Variable("BODY_TIMEOUT", "body_timeout_s", "30s",
             "how long a request body may be slower than `BODY_MIN_RATE`; then the response is 408",
             duration(1, 3600), duration_text),
    Variable("BODY_MIN_RATE", "body_min_rate", "100",
             "least rate of a request body in bytes/s, averaged over `BODY_TIMEOUT`; with 0 it may "
             "pause for `BODY_TIMEOUT`", whole_number(0, 1_000_000)),
    Variable("SHUTDOWN_DELAY", "shutdown_delay_s", "0s",
             "how long a shutdown serves on while `/ready` is 503, for load balancers to notice",
             duration(0, 3600), duration_text),
    Variable("DRAIN_TIMEOUT", "drain_timeout_s", "20s",
             "how long a shutdown may continue uploading", duration(0, 3600), duration_text),
    Variable("ACK", "ack", "journal",
             "when an event counts as a success: `journal` (durable on the local disk) or "
             "`delivered` (in the store)", choice("journal", "delivered")),
    Variable("ACK_TIMEOUT", "ack_timeout_s", "10s",
             "with `ACK=delivered`: how long to wait for the store before responding with 503",
             duration(0.1, 300), duration_text),
    # Journal
    Variable("JOURNAL_DIR", "journal_dir", "data/journal",
             "directory that keeps events until they are delivered; must be on a local disk",
             directory),
    Variable("JOURNAL_MAX_BYTES", "journal_max_bytes", "10GiB",
             "maximum size of the journal; when it is full, events are refused with 503",
             size(64 * MIB, 1024 * TIB), size_text),
    Variable("FLUSH_INTERVAL", "flush_interval_s", "1s",
             "maximum age of a segment before it is sealed and uploaded", duration(0.01, 3600),
             duration_text),
    Variable("SEGMENT_MAX_BYTES", "segment_max_bytes", "8MiB",
             "maximum size of a segment; a full segment is sealed at once",
             size(64 * KIB, GIB), size_text),
    # Deduplication
    Variable("DEDUP_WINDOW", "dedup_window_s", "24h",
             "how long a repeated event is recognized as a duplicate",
             duration(1, 30 * 86400), duration_text),
    Variable("DEDUP_MAX_EVENTS", "dedup_max_events", "1000000",
             "how many recent event ids to remember; each takes about 120 bytes of memory",
             whole_number(1000, 100_000_000)),
    # Objects
    Variable("OBJECT_LAYOUT", "object_layout", "auto",
             "`event` (one object per event), `batch` (one per segment and day), or `auto` "
             "(depending on the number of events in the segment)",
             choice("auto", "event", "batch")),
    Variable("AUTO_BATCH_ABOVE", "auto_batch_above", "100",
             "with `OBJECT_LAYOUT=auto`: segments with more events than this become batches",
             whole_number(0, 1_000_000)),
    Variable("UPLOAD_CONCURRENCY", "upload_concurrency", "8",
             "maximum number of concurrent uploads", whole_number(1, 256)),
    # Limits
    Variable("MAX_BODY_BYTES", "max_body_bytes", "5MiB",
             "maximum size of a request body, also after decompression", size(KIB, GIB),
             size_text),
    Variable("MAX_EVENT_BYTES", "max_event_bytes", "256KiB",
             "maximum size of an event in its stored form", size(256, 8 * MIB), size_text),
    Variable("MAX_BATCH_EVENTS", "max_batch_events", "1000",
             "maximum number of events in a batch", whole_number(1, 100_000)),
    # Logs
    Variable("LOG_LEVEL", "log_level", "info", "`debug`, `info`, `warning` or `error`",
             choice("debug", "info", "warning", "error")),
    Variable("LOG_FORMAT", "log_format", "text", "`text` for people, `json` for machines",
             choice("text", "json")),
)
# fmt: on
