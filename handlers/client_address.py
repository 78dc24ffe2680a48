"""The address of a request's client, when proxies stand between.

X-Forwarded-For is a list to which each proxy appends the address of its own client. So the nearest
proxy wrote the right end, and everything left of the first address that is not a proxy's may be
forged by the client. The header has no standard; RFC 7239, section 8.1, explains why such a list
is trustworthy only as far as the authors of its entries are known.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

MAX_ENTRIES = 100
NO_ADDRESS = "0.0.0.0"  # noqa: S104  no socket is bound to it: in an event it means "unknown"

# The longest entry is an IPv6 address of 45 characters with a zone, brackets and a port. The limit
# also bounds the memory of the cache.
_MAX_ENTRY_CHARS = 80
_CACHED_ADDRESSES = 1024

_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}|\[([^\[\]]*:[^\[\]]*)\](?::[0-9]{1,5})?")
_SPACE = " \t"
_MAPPED_PREFIX_BITS = 96

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class _Address:
    """An address in canonical text; `trusted` if it belongs to a trusted proxy."""

    text: str
    trusted: bool


# The peer's address comes from the socket, so a client cannot choose a peer without an address:
# that is a Unix socket, which only a process on this machine can open.
_LOCAL_PEER = _Address(NO_ADDRESS, trusted=True)


@dataclass(frozen=True, slots=True)
class AddressResolver:
    """The rule that finds a client's address; it uses only headers from `trusted` networks.

    Every result is a valid IP address in canonical text, without port or zone. An IPv4-mapped IPv6
    address (RFC 4291, section 2.5.5.2) is converted to IPv4, and so is a trusted network of such
    addresses. The last 1024 parsed addresses are cached.
    """

    trusted: Sequence[Network]
    _find: Callable[[str], _Address | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        networks = tuple(_unmapped_network(each) for each in self.trusted)
        object.__setattr__(self, "trusted", networks)
        find = lru_cache(maxsize=_CACHED_ADDRESSES)(partial(_read, networks))
        object.__setattr__(self, "_find", find)

    def trusts(self, peer: str) -> bool:
        """Return True if this peer is a trusted proxy, whose headers count."""
        return self._peer(peer).trusted

    def resolve(self, peer: str, forwarded_for: Sequence[str], real_ip: str | None) -> str:
        """Find the client's address.

        `peer` is the remote end of the socket. If it is not an address, or is 0.0.0.0, which is
        Tornado's name for a Unix socket, it is a proxy on this machine: trusted, and the result is
        0.0.0.0 if its headers name no client. `forwarded_for` has the values of all
        X-Forwarded-For fields in order; `real_ip` is the value of X-Real-IP, which counts only if
        X-Forwarded-For is absent or empty.

        The list is walked from its right end past trusted proxies, for at most 100 entries. The
        first address that is not trusted is the client's. If there is none, or an entry is not an
        address, the result is the last address found before that point.
        """
        nearest = self._peer(peer)
        if not nearest.trusted or not (forwarded_for or real_ip):
            return nearest.text
        chain = ",".join(forwarded_for).strip(", \t")
        if chain:
            return self._walk(nearest, chain)
        client = self._address((real_ip or "").strip(_SPACE))
        return nearest.text if client is None else client.text

    def _peer(self, peer: str) -> _Address:
        address = None if peer == NO_ADDRESS else self._address(peer)
        return _LOCAL_PEER if address is None else address

    def _walk(self, nearest: _Address, chain: str) -> str:
        farthest = nearest
        for entry in reversed(chain.rsplit(",", MAX_ENTRIES)[-MAX_ENTRIES:]):
            text = entry.strip(_SPACE)
            if not text:
                continue
            address = self._address(text)
            if address is None:
                break
            farthest = address
            if not address.trusted:
                break
        return farthest.text

    def _address(self, text: str) -> _Address | None:
        return self._find(text) if len(text) <= _MAX_ENTRY_CHARS else None


def _read(trusted: Sequence[Network], text: str) -> _Address | None:
    """Parse an address with or without a port; None if it is invalid."""
    match = _WITH_PORT.fullmatch(text)
    try:
        address = _unmapped(ip_address(match[1] or match[2] if match else text))
    except ValueError:
        return None
    return _Address(str(address), any(address in network for network in trusted))


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Remove the zone (RFC 4007), which has no meaning on another machine."""
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))


def _unmapped_network(network: Network) -> Network:
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < _MAPPED_PREFIX_BITS:
        return network
    return ip_network((mapped, network.prefixlen - _MAPPED_PREFIX_BITS))
