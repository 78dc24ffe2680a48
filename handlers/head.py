"""The head of a request and the head of its response.

Everything here is a function of header fields and of fixed rules: it is the same for a request that
Tornado handles and for one that it does not (`direct.py`).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from random import getrandbits
from typing import NamedTuple

from handlers.client_address import AddressResolver
from handlers.cors import CorsDecision, CorsPolicy

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Facts(NamedTuple):
    """The facts from a request's head on which its response depends.

    Each field from `host` on has the value of a header field, or None; values of fields of the same
    name are joined by commas. `peer` is the address of the other end of the connection.
    """

    method: str
    path: str
    peer: str
    host: str | None = None
    forwarded_host: str | None = None
    forwarded_for: str | None = None
    real_ip: str | None = None
    given_request_id: str | None = None
    origin: str | None = None
    referer: str | None = None
    user_agent: str | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    content_length: str | None = None


# In the order of the fields of `Facts`.
_NAMES = (
    "Host",
    "X-Forwarded-Host",
    "X-Forwarded-For",
    "X-Real-Ip",
    "X-Request-Id",
    "Origin",
    "Referer",
    "User-Agent",
    "Content-Type",
    "Content-Encoding",
    "Content-Length",
)
_KEYS = tuple(name.lower().encode() for name in _NAMES)


def facts_from_headers(
    method: str, path: str, peer: str, header: Callable[[str], str | None]
) -> Facts:
    """Return the facts of a request whose header fields `header` returns by their names."""
    return Facts(method, path, peer, *map(header, _NAMES))


def facts_from_fields(method: str, path: str, peer: str, fields: Mapping[bytes, bytes]) -> Facts:
    """Return the facts of a request with these header fields; their names are in lower case."""
    values = [each if each is None else each.decode("latin-1") for each in map(fields.get, _KEYS)]
    return Facts(method, path, peer, *values)


class Identity(NamedTuple):
    """The decisions about a request that every response and every log line shows."""

    request_id: str
    client_address: str
    cors: CorsDecision


@dataclass(frozen=True, slots=True)
class HeadRules:
    """The rules for heads: whose headers are trusted, and which origins may read a response."""

    addresses: AddressResolver
    origins: CorsPolicy

    def identify(self, facts: Facts) -> Identity:
        """Decide on the id of a request, the address of its client, and its origin."""
        resolver, peer, given = self.addresses, facts.peer, facts.given_request_id
        forwarded_for = () if facts.forwarded_for is None else (facts.forwarded_for,)
        if given and resolver.trusts(peer) and _REQUEST_ID.fullmatch(given):
            request_id = given
        else:
            request_id = f"{getrandbits(64):016x}"
        is_decided = facts.origin is None or self.origins.any_origin
        own_hosts = () if is_decided else self.own_hosts(facts)
        return Identity(
            request_id,
            resolver.resolve(peer, forwarded_for, facts.real_ip),
            self.origins.decide(facts.origin, own_hosts),
        )

    def own_hosts(self, facts: Facts) -> Sequence[str]:
        """Return the names under which the request reached the server.

        They are the Host header and, from a trusted proxy, the entries of X-Forwarded-Host.
        """
        names = facts.host
        if facts.forwarded_host is not None and self.addresses.trusts(facts.peer):
            names = f"{names or ''},{facts.forwarded_host}"
        return () if names is None else [name.strip() for name in names.split(",")]

    def response_headers(
        self, method: str, identity: Identity, now: float
    ) -> list[tuple[str, str]]:
        """Return the header fields of every response, errors included; `now` in Unix seconds.

        No cache keeps the response to a POST (RFC 9111, section 2), and no browser displays one.
        """
        headers = [("Date", _http_date(int(now))), _JSON]
        if method != "POST":
            headers += _NOT_POST
        headers.append(("X-Request-Id", identity.request_id))
        headers += self.origins.response_headers(identity.cors)
        return headers


_JSON = ("Content-Type", "application/json")
_NOT_POST = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


# Tornado formats the date again for each request, which is 3 % of a request's cost.
@lru_cache(maxsize=1)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)
