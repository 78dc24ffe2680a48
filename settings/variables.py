"""The environment variables that are settings: the one list of them, and how each is read.

The schema of the settings is built from it, and the tests hold the documents against it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from voluptuous import Invalid, Schema

from settings import parsers as q
from settings.origins import EVERY_ORIGIN, AllowedOrigin, allowed_origin, check_together

_MAX_QUOTED_CHARS = 100
# Everything up to the last @ may be a password, which may itself hold any character.
_USERINFO = re.compile(r"^([a-z][a-z0-9+.-]*://)?.*@", re.ASCII | re.I | re.S)

_LOCAL_NETWORKS = "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"
_NO_NETWORKS = "none"


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable.

    `field` is its name in Settings, `default` the text that stands for it where it is not set
    (None: nothing does), `summary` a phrase for people. `read` turns text into the value, or
    raises ValueError or voluptuous.Invalid; `show` turns the value into text that reads the same.
    """

    name: str
    field: str
    default: str | None
    summary: str
    read: Callable[[str], object]
    show: Callable[[Any], str] = str


def _masked(text: str) -> str:
    return _USERINFO.sub(r"\1***@", text)


def quoted(text: str) -> str:
    """A value found, as a message may show it: on one line, cut if long, its passwords masked."""
    shown = _masked(text)
    if len(shown) > _MAX_QUOTED_CHARS:
        shown = f"{shown[:_MAX_QUOTED_CHARS]}..."
    return f'"{"".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)}"'


def quoting(parse: Callable[[str], object]) -> Callable[[str], object]:
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
    schema = Schema([quoting(parse)])

    def parse_list(text: str) -> tuple[Any, ...]:
        return tuple(schema(_entries(text)))

    return parse_list


def _origins(text: str) -> tuple[AllowedOrigin, ...]:
    origins: tuple[AllowedOrigin, ...] = _each(allowed_origin)(text)
    check_together(origins)
    return origins


def _show_origins(origins: tuple[AllowedOrigin, ...]) -> str:
    return ",".join(each.text for each in origins)


def _networks(text: str) -> tuple[q.Network, ...]:
    if text.lower() == _NO_NETWORKS:
        return ()
    networks: tuple[q.Network, ...] = _each(q.network)(text)
    if not networks:
        raise ValueError(f"must be a comma-separated list of networks, or {_NO_NETWORKS}")
    return networks


def _show_networks(networks: tuple[q.Network, ...]) -> str:
    return ",".join(map(str, networks)) or _NO_NETWORKS


def _show_switch(on: bool) -> str:
    return "true" if on else "false"


# A table: a variable's name and field, what it is, how it is read.
# fmt: off
VARIABLES: tuple[Variable, ...] = (
    # Where events go
    Variable("STORAGE_DIR", "storage_dir", None,
             "a local directory to store objects in, instead of S3", q.directory),
    Variable("S3_BUCKET_NAME", "s3_bucket_name", None,
             "the bucket; required unless `STORAGE_DIR` is set", q.bucket_name),
    Variable("AWS_REGION", "aws_region", None,
             "its region; required with S3 (else `AWS_DEFAULT_REGION` is taken)",
             q.region),
    Variable("S3_ENDPOINT_URL", "s3_endpoint_url", None,
             "for S3-compatible services, as in `http://localhost:9000`",
             q.endpoint_url, _masked),
    Variable("S3_PREFIX", "s3_prefix", "events", "what every key begins with", q.key_prefix),
    Variable("S3_CONDITIONAL_WRITES", "s3_conditional_writes", "auto",
             "never replace an event's object: `on`, `off`, or `auto`: if the service can",
             q.choice("auto", "on", "off")),
    # HTTP
    Variable("HOST", "host", "", "the address to listen on; empty for all interfaces", q.host),
    Variable("PORT", "port", "8080", "the port to listen on; 0 for any free one",
             q.whole_number(0, 65535)),
    Variable("REUSE_PORT", "reuse_port", "false",
             "let several processes share the port, each with a `JOURNAL_DIR` of its own",
             q.switch, _show_switch),
    Variable("CORS_ALLOWED_ORIGINS", "cors_allowed_origins", EVERY_ORIGIN,
             "origins whose pages may send, comma-separated; `https://*.example.com` for "
             "subdomains", _origins, _show_origins),
    Variable("CORS_DEBUG", "cors_debug", "false", "log why each origin was allowed or refused",
             q.switch, _show_switch),
    Variable("INGEST_ALIASES", "ingest_aliases", "",
             "paths, comma-separated, under which pages find everything once more, as in `/a`",
             _each(q.path_prefix), ",".join),
    Variable("TRUSTED_PROXIES", "trusted_proxies", _LOCAL_NETWORKS,
             "networks whose `X-Forwarded-For` is believed, comma-separated, or `none`",
             _networks, _show_networks),
    Variable("DRAIN_TIMEOUT", "drain_timeout_s", "20s",
             "how long a shutdown may go on shipping", q.duration(0, 3600), q.duration_text),
    Variable("ACK", "ack", "journal",
             "what a success means: durable in the `journal`, or `delivered` to the store",
             q.choice("journal", "delivered")),
    Variable("ACK_TIMEOUT", "ack_timeout_s", "10s",
             "with `ACK=delivered`, how long an answer waits before it is 503",
             q.duration(0.1, 300), q.duration_text),
    # Journal
    Variable("JOURNAL_DIR", "journal_dir", "data/journal",
             "the directory of events on their way, on a local disk", q.directory),
    Variable("JOURNAL_MAX_BYTES", "journal_max_bytes", "10GiB",
             "its size at which events are refused with 503",
             q.size(64 * q.MIB, 1024 * q.TIB), q.size_text),
    Variable("FLUSH_INTERVAL", "flush_interval_s", "1s",
             "the age at which a segment is sealed and shipped", q.duration(0.01, 3600),
             q.duration_text),
    Variable("SEGMENT_MAX_BYTES", "segment_max_bytes", "8MiB",
             "the size at which it is sealed earlier",
             q.size(64 * q.KIB, q.GIB), q.size_text),
    # Deduplication
    Variable("DEDUP_WINDOW", "dedup_window_s", "24h",
             "how long an `event_id` that comes again is a duplicate",
             q.duration(1, 30 * 86400), q.duration_text),
    Variable("DEDUP_MAX_EVENTS", "dedup_max_events", "1000000",
             "of how many ids at most, the last ones; each takes about 110 bytes of memory",
             q.whole_number(1000, 100_000_000)),
    # Objects
    Variable("OBJECT_LAYOUT", "object_layout", "auto",
             "`event` for an object per event, `batch` for one per segment and day, or `auto`",
             q.choice("auto", "event", "batch")),
    Variable("AUTO_BATCH_ABOVE", "auto_batch_above", "100",
             "in `auto`, segments of more events than this become batches",
             q.whole_number(0, 1_000_000)),
    Variable("UPLOAD_CONCURRENCY", "upload_concurrency", "8", "uploads at the same time",
             q.whole_number(1, 256)),
    # Limits
    Variable("MAX_BODY_BYTES", "max_body_bytes", "5MiB",
             "the largest body, also when unpacked", q.size(q.KIB, q.GIB), q.size_text),
    Variable("MAX_EVENT_BYTES", "max_event_bytes", "256KiB",
             "the largest event, as stored", q.size(256, 8 * q.MIB), q.size_text),
    Variable("MAX_BATCH_EVENTS", "max_batch_events", "1000", "the most events in a batch",
             q.whole_number(1, 100_000)),
    # Logs
    Variable("LOG_LEVEL", "log_level", "info", "`debug`, `info`, `warning` or `error`",
             q.choice("debug", "info", "warning", "error")),
    Variable("LOG_FORMAT", "log_format", "text", "`text`, or `json` for machines",
             q.choice("text", "json")),
)
# fmt: on
