"""Which origins may send events, and the headers that tell a browser so.

The Fetch standard (https://fetch.spec.whatwg.org/#http-cors-protocol) says what a browser asks
and accepts; RFC 6454 says what an origin is and when two are the same. Nothing here knows of a
request: a decision is a function of the policy and the Origin header, headers are a function
of the decision.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

MAX_ORIGIN_CHARS = 512
MAX_ALLOW_HEADERS_CHARS = 4096
MAX_AGE_S = 7200

DEFAULT_ALLOW_HEADERS = (
    "Content-Type",
    "Content-Encoding",
    "Authorization",
    "X-Request-Id",
    "X-Project-ID",
)

_HOST = r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_-])?|\[[0-9a-f:.]+\]"
# RFC 6454, section 6.2: scheme, host, perhaps a port, and nothing after them. It lets no character
# through that could end a header or begin another.
_ORIGIN = re.compile(rf"([a-z][a-z0-9+.-]*)://({_HOST})(?::([0-9]{{1,5}}))?", re.ASCII | re.I)
_END_OF_AUTHORITY = re.compile(r"[/?#]")
_DEFAULT_PORTS = MappingProxyType({"http": 80, "https": 443})
_MAX_PORT = 65535
# Sandboxed frames, local files and redirects share these: they tell nobody from anybody.
# Browsers send null; old web views send file:// for local files (RFC 6454, section 4).
_OPAQUE = frozenset(("null", "file://"))

# RFC 9110, section 5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# Caches must not give one origin's answer to another, nor to a client that named none:
# https://fetch.spec.whatwg.org/#cors-protocol-and-http-caches
_VARY = ("Vary", "Origin")
_PREFLIGHT_VARY = ("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")


@dataclass(frozen=True, slots=True)
class CorsDecision:
    """What a policy says of one request.

    `origin` is the value to echo: None if no header of CORS is due, since the request named no
    origin or its origin is refused. `reason` is a fixed text and holds nothing a client sent.
    """

    allowed: bool
    origin: str | None
    reason: str


_EVERY = "every origin is allowed"
_LISTED = "it is in CORS_ALLOWED_ORIGINS"
_SUBDOMAIN = "its parent domain is in CORS_ALLOWED_ORIGINS"
_NO_ORIGIN = CorsDecision(True, None, "the request names no origin")
_TOO_LONG = CorsDecision(False, None, f"it is longer than {MAX_ORIGIN_CHARS} characters")
_MALFORMED = CorsDecision(False, None, "it is not of the form scheme://host or scheme://host:port")
_OPAQUE_REFUSED = CorsDecision(False, None, "an opaque origin is allowed only where every one is")
_NOT_LISTED = CorsDecision(False, None, "it is not in CORS_ALLOWED_ORIGINS")


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """The origins whose pages may send events. Made by `from_origins`."""

    any_origin: bool
    origins: frozenset[str]
    # By scheme: what the host and port of an origin may end with, such as `.example.com:8443`.
    subdomains: Mapping[str, tuple[str, ...]] = field(hash=False)

    @classmethod
    def from_origins(cls, origins: Sequence[str]) -> "CorsPolicy":
        """Read a list of origins.

        `*` alone allows every origin. Otherwise each entry is an origin
        (`https://shop.example.com`, `http://localhost:3000`), or one with `*` as its whole first
        label (`https://*.example.com`), which stands for its subdomains of any depth at the same
        scheme and port, but not for `https://example.com`. Letters' case and a default port make
        no difference.

        Raises ValueError with every problem found and what to write instead.
        """
        problems = [f"{each!r} {advice}" for each in origins if (advice := _advice(each, origins))]
        if not origins:
            problems = ["name at least one origin, or * to allow every origin"]
        if problems:
            raise ValueError("; ".join(problems))
        named = [each for each in origins if each != "*"]
        return cls(
            any_origin=not named,
            origins=frozenset("://".join(_parts(each)) for each in named if "*" not in each),
            subdomains=_suffixes(each for each in named if "*" in each),
        )

    def decide(self, origin: str | None) -> CorsDecision:
        """Decide on a request by its Origin header; None if it has none.

        Without one it is not a browser's cross-origin request, and CORS has no say in it. What
        is echoed is the header as it came: a browser compares it byte by byte
        (https://fetch.spec.whatwg.org/#concept-cors-check).
        """
        if origin is None:
            return _NO_ORIGIN
        if len(origin) > MAX_ORIGIN_CHARS:
            return _TOO_LONG
        if origin in self.origins:
            return CorsDecision(True, origin, _LISTED)
        if origin in _OPAQUE:
            return CorsDecision(True, origin, _EVERY) if self.any_origin else _OPAQUE_REFUSED
        match = _ORIGIN.fullmatch(origin)
        if match is None:
            return _MALFORMED
        return CorsDecision(True, origin, _EVERY) if self.any_origin else self._look_up(match)

    def _look_up(self, match: re.Match[str]) -> CorsDecision:
        scheme, authority = _canonical(match)
        if f"{scheme}://{authority}" in self.origins:
            return CorsDecision(True, match[0], _LISTED)
        if authority.endswith(self.subdomains.get(scheme, ())):
            return CorsDecision(True, match[0], _SUBDOMAIN)
        return _NOT_LISTED

    def response_headers(self, decision: CorsDecision) -> list[tuple[str, str]]:
        """The headers of every answer, errors included.

        `Vary` is among them whatever the decision. Credentials are allowed, since
        `navigator.sendBeacon` always sends with them, and then a browser takes no `*`.
        """
        if decision.origin is None:
            return [_VARY]
        return [
            ("Access-Control-Allow-Origin", decision.origin),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Expose-Headers", "X-Request-Id, Retry-After"),
            _VARY,
        ]

    def preflight_headers(
        self, decision: CorsDecision, methods: Sequence[str], requested_headers: str | None
    ) -> list[tuple[str, str]]:
        """What a preflight's answer has besides `response_headers`; nothing for a refused one.

        `Vary` here replaces the one there. `requested_headers` is the value of
        Access-Control-Request-Headers; its names are echoed, since with credentials `*` is no
        wildcard, and Authorization it never covers (https://fetch.spec.whatwg.org/#http-responses).
        """
        if not decision.allowed:
            return []
        if decision.origin is None:
            return [_PREFLIGHT_VARY]
        names = list(_header_names(requested_headers or "")) or DEFAULT_ALLOW_HEADERS
        return [
            ("Access-Control-Allow-Methods", ", ".join(methods)),
            ("Access-Control-Allow-Headers", ", ".join(names)),
            ("Access-Control-Max-Age", str(MAX_AGE_S)),
            _PREFLIGHT_VARY,
        ]


def _header_names(requested: str) -> Iterator[str]:
    length = 0
    for name in map(str.strip, requested.split(",")):
        if _TOKEN.fullmatch(name) is None:
            continue
        length += len(name) + len(", ")
        if length > MAX_ALLOW_HEADERS_CHARS:
            return
        yield name


def _canonical(match: re.Match[str]) -> tuple[str, str]:
    """Scheme, and host with its port unless it is the default (RFC 6454, section 4)."""
    scheme, host, port = match[1].lower(), match[2].lower(), match[3]
    if port is None or int(port) == _DEFAULT_PORTS.get(scheme):
        return scheme, host
    return scheme, f"{host}:{int(port)}"


def _parse(entry: str) -> re.Match[str] | None:
    """Match an entry, its wildcard read as a subdomain of one letter."""
    return _ORIGIN.fullmatch(entry.replace("://*.", "://x.", 1))


def _parts(entry: str) -> tuple[str, str]:
    match = _parse(entry)
    if match is None:
        raise ValueError(f"{entry!r} is not an origin")
    return _canonical(match)


def _suffixes(wildcards: Iterator[str]) -> Mapping[str, tuple[str, ...]]:
    suffixes: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for scheme, authority in map(_parts, wildcards):
        suffixes[scheme] += (authority.removeprefix("x"),)
    return MappingProxyType(dict(suffixes))


def _advice(entry: str, origins: Sequence[str]) -> str | None:
    """Say what is wrong with an entry and what to write instead; None if it is right."""
    if entry == "*":
        return "allows every origin: leave the others out" if set(origins) != {"*"} else None
    if entry.lower() in _OPAQUE:
        return (
            "is what every sandboxed page and local file is called, whoever wrote it: "
            "only * alone allows it"
        )
    if "://" not in entry:
        return "has no scheme: write it as in https://shop.example.com"
    if "*" in entry.replace("://*.", "://", 1):
        return "has a misplaced *: it stands for whole first labels only: https://*.example.com"
    return _advice_on_form(entry)


def _advice_on_form(entry: str) -> str | None:
    match = _parse(entry)
    if match is None:
        return _advice_on_path(entry)
    if match[3] and not 0 < int(match[3]) <= _MAX_PORT:
        return f"has an impossible port: it is from 1 to {_MAX_PORT}"
    return None


def _advice_on_path(entry: str) -> str:
    scheme, _, rest = entry.partition("://")
    authority, *path = _END_OF_AUTHORITY.split(rest, maxsplit=1)
    origin = f"{scheme}://{authority}"
    if path and _parse(origin):
        part = "path" if path[0] else "trailing slash"
        return f"has a {part}: leave it out and write {origin}"
    return "is not of the form https://host or https://host:port (in ASCII: xn--... if need be)"
