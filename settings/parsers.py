"""Parsers of settings: numbers, sizes, durations, switches, names, networks.

A parser takes text without surrounding space and returns its value. It raises ValueError with the
violated constraint, as the rest of a sentence that begins with the setting's name: "must be ...".
The message never quotes the text, which may hold a password.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from settings.hosts import is_address, is_host_name, is_visible

Network = IPv4Network | IPv6Network
_Number = TypeVar("_Number", int, float)

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB

# The number of digits is limited before conversion, since int() refuses thousands of them with a
# message of its own. 18 are more than any setting needs.
_WHOLE = re.compile(r"[0-9]{1,18}")
_SIZE = re.compile(r"([0-9]{1,18}) ?([a-z]{0,3})", re.ASCII | re.I)
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?([a-z]{0,2})", re.ASCII | re.I)

_BYTES_IN = MappingProxyType(
    {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}
    | {"kib": KIB, "mib": MIB, "gib": GIB, "tib": TIB}
)
_BINARY_UNITS = (("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB))
_SECONDS_IN = MappingProxyType(
    {"": Decimal(1), "ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}
)
_SWITCH = MappingProxyType(
    dict.fromkeys(("true", "1", "yes", "on"), True)
    | dict.fromkeys(("false", "0", "no", "off"), False)
)

_MAX_NETWORK_CHARS = 64
_ONLY_NUMBERS = re.compile(r"[0-9.]+")

_BUCKET = re.compile(r"[A-Za-z0-9._-]{3,255}")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-naming.html
_ACCESS_POINT = re.compile(
    r"arn:aws[a-z-]*:(?:s3:[a-z0-9-]+:[0-9]{12}|"
    r"s3-outposts:[a-z0-9-]+:[0-9]{12}:outpost[/:]op-[a-z0-9]+)[/:]accesspoint[/:][a-z0-9-]{3,50}"
)
# Of many regions: its ARN names none, and its requests need another signature (SigV4A).
_MULTI_REGION_SUFFIX = ".mrap"
_KMS_KEY = re.compile(r"[A-Za-z0-9:/_-]{1,2048}")
_ENCRYPTION = MappingProxyType({"aes256": "AES256", "aws:kms": "aws:kms"})
# botocore uses a region as a label of a host name: RFC 1035, section 2.3.1.
_REGION = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_KEY_NAME = r"[A-Za-z0-9=-][A-Za-z0-9._=-]*"
_KEY_PREFIX = re.compile(rf"{_KEY_NAME}(?:/{_KEY_NAME})*")
_PATH_PREFIX = re.compile(r"(?=.{2,64}$)(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")
_TAKEN_NAMES = ("api", "health", "ready", "selftest")
# The prefix is part of a segment's file name (storage/FORMAT.md), which has 255 bytes in all.
MAX_KEY_PREFIX_CHARS = 180


def whole_number(minimum: int, maximum: int) -> Callable[[str], int]:
    """Make a parser of decimal whole numbers in this range, both ends included."""
    constraint = f"must be a whole number from {minimum} to {maximum}"

    def parse(text: str) -> int:
        number = int(text) if _WHOLE.fullmatch(text) else -1
        return _in_range(number, minimum, maximum, constraint)

    return parse


def size(minimum: int, maximum: int) -> Callable[[str], int]:
    """Make a parser of sizes in this range of bytes, both ends included.

    A bare number is bytes. kB, MB and GB are powers of 1000; KiB, MiB, GiB and TiB of 1024
    (IEC 80000-13). Units are case-insensitive.
    """
    constraint = (
        f"must be a size from {size_text(minimum)} to {size_text(maximum)}, in bytes or with a "
        "unit, such as 512KiB, 8MiB, 5MB, 10GiB"
    )

    def parse(text: str) -> int:
        match = _SIZE.fullmatch(text)
        unit = _BYTES_IN.get(match[2].lower()) if match else None
        number = int(match[1]) * unit if match and unit else -1
        return _in_range(number, minimum, maximum, constraint)

    return parse


def duration(minimum: float, maximum: float) -> Callable[[str], float]:
    """Make a parser of durations in this range, both ends included; it returns seconds.

    A bare number is seconds; ms, s, m and h are units. Fractions are allowed, exponents are not.
    """
    constraint = (
        f"must be a duration from {duration_text(minimum)} to {duration_text(maximum)}, in seconds "
        "or with a unit, such as 500ms, 1.5s, 2m, 1h"
    )

    def parse(text: str) -> float:
        match = _DURATION.fullmatch(text)
        unit = _SECONDS_IN.get(match[2].lower()) if match else None
        seconds = float(Decimal(match[1]) * unit) if match and unit else -1.0
        return _in_range(seconds, minimum, maximum, constraint)

    return parse


def _in_range(value: _Number, minimum: _Number, maximum: _Number, constraint: str) -> _Number:
    if not minimum <= value <= maximum:
        raise ValueError(constraint)
    return value


def choice(*words: str) -> Callable[[str], str]:
    """Make a parser that accepts one of these lower-case words in any case."""

    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text.lower()

    return parse


def switch(text: str) -> bool:
    """Parse a boolean: true, 1, yes, on, or false, 0, no, off; in any case."""
    if text.lower() not in _SWITCH:
        raise ValueError("must be true or false (or 1, 0, yes, no, on, off)")
    return _SWITCH[text.lower()]


def host(text: str) -> str:
    """Parse an address to listen on: an IP address without brackets, a host name, or nothing."""
    if text and not (is_address(text) or _is_name(text)):
        raise ValueError(
            "must be a host name or an IP address, without brackets or a port, or empty for all "
            "interfaces"
        )
    return text


def _is_name(text: str) -> bool:
    return is_host_name(text) and _ONLY_NUMBERS.fullmatch(text) is None


def network(text: str) -> Network:
    """Parse a network in CIDR notation (RFC 4632, RFC 4291), or a single address."""
    try:
        if len(text) > _MAX_NETWORK_CHARS or "%" in text:
            raise ValueError
        found = ip_network(text, strict=False)
    except ValueError:
        raise ValueError("must list networks such as 10.0.0.0/8 or fc00::/7") from None
    if "/" in text and ip_address(text.partition("/")[0]) != found.network_address:
        raise ValueError(f"must list networks by their first address, here {found}")
    return found


def endpoint_url(text: str) -> str:
    """Parse an http or https URL of a host with an optional port; drop a trailing slash."""
    try:
        parts = urlsplit(text)
        if is_visible(text) and not {"?", "#"} & set(text) and _names_only_a_host(parts):
            return text.removesuffix("/")
    except ValueError:
        pass
    raise ValueError(
        "must be a URL such as https://s3.example.com or http://localhost:9000, with no underscore "
        "in the host and nothing after the host and port"
    )


def _names_only_a_host(parts: SplitResult) -> bool:
    name = parts.hostname or ""
    # botocore refuses an underscore here, but only when the first client is made.
    return (
        (is_address(name) or (_is_name(name) and "_" not in name))
        and parts.scheme in ("http", "https")
        and parts.port != 0
        and not parts.netloc.endswith(":")
        and parts.path in ("", "/")
    )


def bucket_name(text: str) -> str:
    """Parse a bucket name, as Amazon S3 or a less strict service allows it, or an access point."""
    if text.startswith("arn:") and text.endswith(_MULTI_REGION_SUFFIX):
        raise ValueError("must be a bucket or an access point of one region")
    if text.startswith("arn:"):
        return _access_point(text)
    if _BUCKET.fullmatch(text) is None:
        raise ValueError("must be a bucket name: 3 to 255 characters of A-Z a-z 0-9 . _ -")
    return text


def _access_point(text: str) -> str:
    if _ACCESS_POINT.fullmatch(text) is None:
        raise ValueError(
            "must be a bucket name or the ARN of an access point, such as "
            "arn:aws:s3:eu-central-1:123456789012:accesspoint/my-access-point"
        )
    return text


def is_access_point(bucket: str) -> bool:
    """Return True for the ARN of an access point, False for a bucket's name."""
    return bucket.startswith("arn:")


def encryption(text: str) -> str:
    """Parse the name of S3's encryption at rest, in any case; return it as S3 writes it."""
    if text.lower() not in _ENCRYPTION:
        raise ValueError(f"must be one of {', '.join(_ENCRYPTION.values())}")
    return _ENCRYPTION[text.lower()]


def kms_key_id(text: str) -> str:
    """Parse the id, ARN or alias of a key of AWS KMS."""
    if _KMS_KEY.fullmatch(text) is None:
        raise ValueError(
            "must be a key's id, its ARN, or alias/ and a name, of A-Z a-z 0-9 : / _ -"
        )
    return text


def region(text: str) -> str:
    """Parse the name of a region, without checking that it exists."""
    if _REGION.fullmatch(text) is None:
        raise ValueError("must be a region such as eu-central-1")
    return text


def key_prefix(text: str) -> str:
    """Parse the prefix of object keys: names with single slashes between them."""
    if text.startswith("/") or text.endswith("/"):
        raise ValueError("must not begin or end with a slash")
    if len(text) > MAX_KEY_PREFIX_CHARS:
        raise ValueError(f"must have at most {MAX_KEY_PREFIX_CHARS} characters")
    if _KEY_PREFIX.fullmatch(text) is None:
        raise ValueError(
            "must be names of A-Z a-z 0-9 . _ = - with single slashes between them, none of which "
            "begins with . or _ (Athena and Spark skip those)"
        )
    return text


def path_prefix(text: str) -> str:
    """Parse a prefix of URL paths: names with a slash before each."""
    if _PATH_PREFIX.fullmatch(text) is None or text.split("/")[1] in _TAKEN_NAMES:
        raise ValueError(
            "must list paths such as /a or /static/x, of A-Z a-z 0-9 . _ -, up to 64 characters, "
            "not under /api, /health, /ready or /selftest"
        )
    return text


def directory(text: str) -> Path:
    """Parse the path of a directory, relative to the working directory unless absolute."""
    if text.startswith("~"):
        raise ValueError("must be a directory written in full, since no shell expands the ~")
    if not text.isprintable():
        raise ValueError("must be a directory of printable characters")
    return Path(text)


def size_text(size_bytes: int) -> str:
    """Return the shortest text that parses to exactly this size."""
    for unit, unit_bytes in _BINARY_UNITS:
        if size_bytes >= unit_bytes and size_bytes % unit_bytes == 0:
            return f"{size_bytes // unit_bytes}{unit}"
    return str(size_bytes)


def duration_text(seconds: float) -> str:
    """Return text that parses to the same duration, to a nanosecond."""
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"
