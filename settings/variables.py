"""The environment variables that are settings: the one list of them, and how each is read.

The schema of the settings is built from it, and the tests hold the documents against it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from voluptuous import Invalid, Schema

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
    endpoint_url,
    host,
    key_prefix,
    network,
    path_prefix,
    region,
    size,
    size_text,
    switch,
    whole_number,
)

_MAX_QUOTED_CHARS = 100
# Everything up to the last @ may be a password, which may itself hold any character.
_USERINFO = re.compile(r"^([a-z][a-z0-9+.-]*://)?.*@", re.ASCII | re.I | re.S)

_LOCAL_NETWORKS = "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"
_NO_NETWORKS = "none"


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable.

    `field` is its name in Settings, `default` the text that stands for it where it is not set
    (None: nothing does), `summary` a phrase for people. `parse` turns text into the value, or
    raises ValueError or voluptuous.Invalid; `to_text` turns the value into text that parses to it.
    """

    name: str
    field: str
    default: str | None
    summary: str
    parse: Callable[[str], object]
    to_text: Callable[[Any], str] = str


def _masked(text: str) -> str:
    return _USERINFO.sub(r"\1***@", text)


def quoted(text: str) -> str:
    """A value found, as a message may show it: on one line, cut if long, its passwords masked."""
    shown = _masked(text)
    if len(shown) > _MAX_QUOTED_CHARS:
        shown = f"{shown[:_MAX_QUOTED_CHARS]}..."
    return f'"{"".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)}"'


def validator(parse: Callable[[str], object]) -> Callable[[str], object]:
    """Make a validator of a parser: it tells the value found, its passwords masked."""

    def validate(text: str) -> object:
        try:
            return parse(text)
        except ValueError as error:
            raise Invalid(f"{error}, not {quoted(text)}") from None

    return validate


def _entries(text: str) -> list[str]:
    return [entry for part in text.split(",") if (entry := part.strip())]


def _each(parse: Callable[[str], object]) -> Callable[[str], tuple[Any, ...]]:
    """Read a comma-separated list; each bad entry is a problem of its own."""
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


# A table: a variable's name and field, what it is, how it is read.
# fmt: off
VARIABLES: tuple[Variable, ...] = (
    # Where events go
    Variable("STORAGE_DIR", "storage_dir", None,
             "a local directory to store objects in, instead of S3", directory),
    Variable("S3_BUCKET_NAME", "s3_bucket_name", None,
             "the bucket; required unless `STORAGE_DIR` is set", bucket_name),
    Variable("AWS_REGION", "aws_region", None,
             "its region; required with S3 (else `AWS_DEFAULT_REGION` is taken)",
             region),
    Variable("S3_ENDPOINT_URL", "s3_endpoint_url", None,
             "for S3-compatible services, as in `http://localhost:9000`",
             endpoint_url, _masked),
    Variable("S3_PREFIX", "s3_prefix", "events", "what every key begins with", key_prefix),
    Variable("S3_CONDITIONAL_WRITES", "s3_conditional_writes", "auto",
             "never replace an event's object: `on`, `off`, or `auto`: if the service can",
             choice("auto", "on", "off")),
    # HTTP
    Variable("HOST", "host", "", "the address to listen on; empty for all interfaces", host),
    Variable("PORT", "port", "8080", "the port to listen on; 0 for any free one",
             whole_number(0, 65535)),
    Variable("REUSE_PORT", "reuse_port", "false",
             "let several processes share the port, each with a `JOURNAL_DIR` of its own",
             switch, _switch_text),
    Variable("CORS_ALLOWED_ORIGINS", "cors_allowed_origins", EVERY_ORIGIN,
             "origins whose pages may send, comma-separated; `https://*.example.com` for "
             "subdomains", _origins, _origins_text),
    Variable("CORS_DEBUG", "cors_debug", "false", "log why each origin was allowed or refused",
             switch, _switch_text),
    Variable("INGEST_ALIASES", "ingest_aliases", "",
             "paths, comma-separated, under which pages find everything once more, as in `/a`",
             _each(path_prefix), ",".join),
    Variable("TRUSTED_PROXIES", "trusted_proxies", _LOCAL_NETWORKS,
             "networks whose `X-Forwarded-For` is believed, comma-separated, or `none`",
             _networks, _networks_text),
    Variable("DRAIN_TIMEOUT", "drain_timeout_s", "20s",
             "how long a shutdown may go on shipping", duration(0, 3600), duration_text),
    Variable("ACK", "ack", "journal",
             "what a success means: durable in the `journal`, or `delivered` to the store",
             choice("journal", "delivered")),
    Variable("ACK_TIMEOUT", "ack_timeout_s", "10s",
             "with `ACK=delivered`, how long an answer waits before it is 503",
             duration(0.1, 300), duration_text),
    # Journal
    Variable("JOURNAL_DIR", "journal_dir", "data/journal",
             "the directory of events on their way, on a local disk", directory),
    Variable("JOURNAL_MAX_BYTES", "journal_max_bytes", "10GiB",
             "its size at which events are refused with 503",
             size(64 * MIB, 1024 * TIB), size_text),
    Variable("FLUSH_INTERVAL", "flush_interval_s", "1s",
             "the age at which a segment is sealed and shipped", duration(0.01, 3600),
             duration_text),
    Variable("SEGMENT_MAX_BYTES", "segment_max_bytes", "8MiB",
             "the size at which it is sealed earlier",
             size(64 * KIB, GIB), size_text),
    # Deduplication
    Variable("DEDUP_WINDOW", "dedup_window_s", "24h",
             "how long an `event_id` that comes again is a duplicate",
             duration(1, 30 * 86400), duration_text),
    Variable("DEDUP_MAX_EVENTS", "dedup_max_events", "1000000",
             "of how many ids at most, the last ones; each takes about 110 bytes of memory",
             whole_number(1000, 100_000_000)),
    # Objects
    Variable("OBJECT_LAYOUT", "object_layout", "auto",
             "`event` for an object per event, `batch` for one per segment and day, or `auto`",
             choice("auto", "event", "batch")),
    Variable("AUTO_BATCH_ABOVE", "auto_batch_above", "100",
             "in `auto`, segments of more events than this become batches",
             whole_number(0, 1_000_000)),
    Variable("UPLOAD_CONCURRENCY", "upload_concurrency", "8", "uploads at the same time",
             whole_number(1, 256)),
    # Limits
    Variable("MAX_BODY_BYTES", "max_body_bytes", "5MiB",
             "the largest body, also when unpacked", size(KIB, GIB), size_text),
    Variable("MAX_EVENT_BYTES", "max_event_bytes", "256KiB",
             "the largest event, as stored", size(256, 8 * MIB), size_text),
    Variable("MAX_BATCH_EVENTS", "max_batch_events", "1000", "the most events in a batch",
             whole_number(1, 100_000)),
    # Logs
    Variable("LOG_LEVEL", "log_level", "info", "`debug`, `info`, `warning` or `error`",
             choice("debug", "info", "warning", "error")),
    Variable("LOG_FORMAT", "log_format", "text", "`text`, or `json` for machines",
             choice("text", "json")),
)
# fmt: on
