"""Web origins (RFC 6454): in the Origin header, and as entries of CORS_ALLOWED_ORIGINS.

Both have the same grammar. An entry may also have a wildcard, and its host and port must be able to
exist, since a typing error would make the server refuse a site without any notice.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address
from types import MappingProxyType
from typing import NamedTuple

from settings.hosts import MAX_PORT, is_host_name

EVERY_ORIGIN = "*"

# Sandboxed frames, local files and redirects share these, so that they identify nobody.
# Browsers send null; old web views send file:// for local files (RFC 6454, section 4).
OPAQUE_ORIGINS = frozenset(("null", "file://"))

# The dot of the root zone may end a name (RFC 3986, section 3.2.2): the host is the same.
_HOST = r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_-])?\.?|\[[0-9a-f:.]+\]"
# RFC 6454, section 6.2: scheme, host, perhaps a port, and nothing after them. It lets no character
# through that could end a header or begin another.
_ORIGIN = re.compile(rf"([a-z][a-z0-9+.-]*)://({_HOST})(?::([0-9]{{1,5}}))?", re.ASCII | re.I)
_END_OF_AUTHORITY = re.compile(r"[/?#]")
_DEFAULT_PORTS = MappingProxyType({"http": 80, "https": 443})
_MAX_SUGGESTED_CHARS = 100

# Stands for the `*` of a wildcard, so that the rest of the entry reads as an origin.
_ANY_LABEL = "x"


class Origin(NamedTuple):
    """An origin in its canonical form (RFC 6454, section 4).

    `scheme` is in lower case. `authority` is the host in lower case, without a dot at its end, and
    with its port unless that is the scheme's default.
    """

    scheme: str
    authority: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class Scope(Enum):
    """The extent of an entry of CORS_ALLOWED_ORIGINS."""

    EVERY = "every origin"
    ONE = "one origin"
    SUBDOMAINS = "the subdomains of a host, of any depth, at one scheme and port"


@dataclass(frozen=True, slots=True)
class AllowedOrigin:
    """An entry of CORS_ALLOWED_ORIGINS: its text as written, and the origins it allows.

    `origin` is None if it allows every one. In the scope SUBDOMAINS, its authority is the ending
    that they share and begins with a dot, as in `.example.com:8443`.
    """

    text: str
    scope: Scope
    origin: Origin | None


def is_origin(text: str) -> bool:
    """Return True for the text of an origin, other than the opaque ones."""
    return _ORIGIN.fullmatch(text) is not None


def same_host(origin: str, host: str) -> bool:
    """Return True if an origin is at `host`, the value of a Host header (RFC 9110, section 7.2).

    The scheme is not compared: behind a proxy that ends TLS nobody here knows it.
    """
    page = parse_origin(origin)
    return page is not None and page == parse_origin(f"{page.scheme}://{host}")


def parse_origin(text: str) -> Origin | None:
    """Return an origin in its canonical form; None if the text is not one, or is opaque."""
    match = _ORIGIN.fullmatch(text)
    return _canonical(match) if match else None


def _canonical(match: re.Match[str]) -> Origin:
    scheme, host, port = match[1].lower(), match[2].lower().removesuffix("."), match[3]
    if port is None or int(port) == _DEFAULT_PORTS.get(scheme):
        return Origin(scheme, host)
    return Origin(scheme, f"{host}:{int(port)}")


def allowed_origin(text: str) -> AllowedOrigin:
    """Parse an entry of CORS_ALLOWED_ORIGINS.

    `*` allows every origin. Otherwise an entry is an origin (`https://shop.example.com`,
    `http://localhost:3000`), or one with `*` as its whole first label (`https://*.example.com`),
    which stands for its subdomains but not for `https://example.com`.

    Raises ValueError with advice on what to write instead, as the rest of a sentence that begins
    with the setting's name. The advice quotes only an origin without a user name or password.
    """
    if text == EVERY_ORIGIN:
        return AllowedOrigin(text, Scope.EVERY, None)
    match = _match_entry(text)
    if match is None or not _can_exist(match):
        raise ValueError(_advice(text))
    origin = _canonical(match)
    if "*" not in text:
        return AllowedOrigin(text, Scope.ONE, origin)
    ending = origin.authority.removeprefix(_ANY_LABEL)
    if not ending.startswith("."):
        raise ValueError(_advice(text))
    return AllowedOrigin(text, Scope.SUBDOMAINS, Origin(origin.scheme, ending))


def check_together(entries: Sequence[AllowedOrigin]) -> None:
    """Raise ValueError unless the entries make a list: `*` alone, or one or more others."""
    everything = [each for each in entries if each.scope is Scope.EVERY]
    if not entries or (everything and len(entries) > 1):
        raise ValueError("must be a comma-separated list of origins, or * alone")


def _match_entry(text: str) -> re.Match[str] | None:
    return _ORIGIN.fullmatch(text.replace("://*.", f"://{_ANY_LABEL}.", 1))


def _can_exist(match: re.Match[str]) -> bool:
    host = match[2].removesuffix(".")
    exists = _is_ipv6(host[1:-1]) if host.startswith("[") else is_host_name(host)
    return exists and _is_port(match[3])


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _is_port(digits: str | None) -> bool:
    return digits is None or 0 < int(digits) <= MAX_PORT


def _advice(text: str) -> str:
    if text.lower() in OPAQUE_ORIGINS:
        return (
            "has an opaque origin, which every sandboxed page and local file shares: list the "
            "origins of sites, or allow every origin with * alone"
        )
    if "://" not in text:
        return "has no scheme: write it as in https://shop.example.com"
    if "@" in text:
        return "has an @: leave out any user name, password and path, as in https://a.example"
    if "*" in text.replace("://*.", "://", 1):
        return "has a misplaced *: it stands for whole first labels only, as in https://*.a.example"
    match = _match_entry(text)
    if match and not _is_port(match[3]):
        return f"has an impossible port: write one from 1 to {MAX_PORT}"
    return _advice_on_path(text)


def _advice_on_path(text: str) -> str:
    scheme, _, rest = text.partition("://")
    authority, *path = _END_OF_AUTHORITY.split(rest, maxsplit=1)
    origin = f"{scheme}://{authority}"
    match = _match_entry(origin)
    if path and len(origin) <= _MAX_SUGGESTED_CHARS and match and _can_exist(match):
        part = "path" if path[0] else "trailing slash"
        return f"has a {part}: leave it out and write {origin}"
    return (
        "must list origins of the form https://host or https://host:port, with a host name in "
        "ASCII (xn--...)"
    )
