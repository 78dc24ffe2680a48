"""The CORS policy: the origins that may send events, and the headers that tell a browser so.

The Fetch standard (https://fetch.spec.whatwg.org/#http-cors-protocol) defines what a browser asks
and accepts, RFC 6454 what an origin is and when two are the same. Nothing here knows of a request:
a decision is a function of the policy and the Origin header, and the headers are a function of the
decision.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from settings.origins import (
    OPAQUE_ORIGINS,
    AllowedOrigin,
    Origin,
    Scope,
    check_together,
    parse_origin,
    same_host,
)

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

# Every character of a header value but space and control characters (RFC 9110, section 5.5): what
# can be echoed without ending the header.
_SAFE = re.compile(r"[!-~\x80-\xff]+")

# RFC 9110, section 5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# Caches must not serve one origin's response to another, nor to a client without an origin:
# https://fetch.spec.whatwg.org/#cors-protocol-and-http-caches
_VARY = ("Vary", "Origin")
_PREFLIGHT_VARY = ("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")


@dataclass(frozen=True, slots=True)
class CorsDecision:
    """The decision of a policy about one request.

    `origin` is the value to echo; it is None if no CORS header is due, since the request has no
    origin or its origin is refused. `reason` is a fixed text that contains nothing a client sent.
    """

    allowed: bool
    origin: str | None
    reason: str


_EVERY = "every origin is allowed"
_LISTED = "it is in CORS_ALLOWED_ORIGINS"
_SUBDOMAIN = "its parent domain is in CORS_ALLOWED_ORIGINS"
_OWN = "it is the collector's own host"
_NO_ORIGIN = CorsDecision(True, None, "the request names no origin")
_TOO_LONG = CorsDecision(False, None, f"it is longer than {MAX_ORIGIN_CHARS} characters")
_UNSAFE = CorsDecision(False, None, "it contains a space or a control character")
_MALFORMED = CorsDecision(False, None, "it is not of the form scheme://host or scheme://host:port")
_OPAQUE_REFUSED = CorsDecision(False, None, "an opaque origin is allowed only where every one is")
_NOT_LISTED = CorsDecision(False, None, "it is not in CORS_ALLOWED_ORIGINS")


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """The origins whose pages may send events. Made by `from_origins`."""

    any_origin: bool
    origins: frozenset[str]
    # By scheme: endings of host and port that are allowed, such as `.example.com:8443`.
    subdomains: Mapping[str, tuple[str, ...]] = field(hash=False)

    @classmethod
    def from_origins(cls, entries: Sequence[AllowedOrigin]) -> "CorsPolicy":
        """Make the policy of the entries of CORS_ALLOWED_ORIGINS.

        Raises ValueError if there is no entry, or another one beside `*`.
        """
        check_together(entries)
        named = [(each.scope, each.origin) for each in entries if each.origin is not None]
        return cls(
            any_origin=not named,
            origins=frozenset(str(origin) for scope, origin in named if scope is Scope.ONE),
            subdomains=_endings(origin for scope, origin in named if scope is Scope.SUBDOMAINS),
        )

    def decide(self, origin: str | None, own_hosts: Sequence[str] = ()) -> CorsDecision:
        """Decide on a request by its Origin header; None means that it has none.

        `own_hosts` are the names under which the request reached the collector. Pages on these
        are always allowed: a same-origin request is not cross-origin. With `*` every origin is
        allowed, whatever its form: web views and extensions have forms of their own.

        Without one it is not a cross-origin request of a browser, and CORS does not apply. The
        header is echoed unmodified, since a browser compares it byte by byte
        (https://fetch.spec.whatwg.org/#concept-cors-check).
        """
        if origin is None:
            return _NO_ORIGIN
        if len(origin) > MAX_ORIGIN_CHARS:
            return _TOO_LONG
        if origin in self.origins:
            return CorsDecision(True, origin, _LISTED)
        if self.any_origin:
            return CorsDecision(True, origin, _EVERY) if _SAFE.fullmatch(origin) else _UNSAFE
        if origin in OPAQUE_ORIGINS:
            return _OPAQUE_REFUSED
        return self._look_up(origin, own_hosts)

    def _look_up(self, text: str, own_hosts: Sequence[str]) -> CorsDecision:
        origin = parse_origin(text)
        if origin is None:
            return _MALFORMED
        if str(origin) in self.origins:
            return CorsDecision(True, text, _LISTED)
        if origin.authority.endswith(self.subdomains.get(origin.scheme, ())):
            return CorsDecision(True, text, _SUBDOMAIN)
        if any(same_host(text, host) for host in own_hosts):
            return CorsDecision(True, text, _OWN)
        return _NOT_LISTED

    def response_headers(self, decision: CorsDecision) -> list[tuple[str, str]]:
        """Return the headers of every response, errors included.

        `Vary` is among them whatever the decision. Credentials are allowed, since
        `navigator.sendBeacon` always sends them, and a browser then refuses a `*`.
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
        """Return the headers of a preflight's response in addition to `response_headers`.

        There are none for a refused origin. `Vary` replaces the one in `response_headers`.
        `requested_headers` is the value of Access-Control-Request-Headers. Its names are echoed,
        since `*` is no wildcard with credentials and never covers Authorization
        (https://fetch.spec.whatwg.org/#http-responses).
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


def _endings(origins: Iterator[Origin]) -> Mapping[str, tuple[str, ...]]:
    endings: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for scheme, authority in origins:
        endings[scheme] += (authority,)
    return MappingProxyType(dict(endings))
