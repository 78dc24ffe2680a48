"""The client's address, by table."""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import pytest

from handlers.client_address import MAX_ENTRIES, AddressResolver

TRUSTED = (
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
    "fe80::/10",
)
PROXY = "10.0.0.1"
CLIENT = "203.0.113.7"
UNKNOWN = "0.0.0.0"  # noqa: S104  expected in a result, not bound to
RESOLVER = AddressResolver([ip_network(each) for each in TRUSTED])
NOBODY = AddressResolver([])


def forwarded(*lines: str, peer: str = PROXY, real_ip: str | None = None) -> str:
    return RESOLVER.resolve(peer, lines, real_ip)


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("127.0.0.1", True),
        ("127.255.255.255", True),
        ("128.0.0.0", False),
        ("::1", True),
        ("::2", False),
        ("10.255.0.1", True),
        ("11.0.0.1", False),
        ("172.31.255.255", True),
        ("172.32.0.0", False),
        ("192.168.1.1", True),
        ("192.169.0.0", False),
        ("fd00::1", True),
        ("fe80::1%eth0", True),
        ("2001:db8::1", False),
        ("::ffff:10.0.0.1", True),
        ("::ffff:203.0.113.7", False),
        ("203.0.113.7", False),
        ("", True),
        (UNKNOWN, True),
        ("/run/collector.sock", True),
    ],
)
def test_a_peer_is_trusted_by_its_network_or_as_a_unix_socket(peer: str, trusted: bool) -> None:
    assert trusted == RESOLVER.trusts(peer)


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "10.0.0.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:cb00:7107", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("", UNKNOWN),
        (UNKNOWN, UNKNOWN),
        ("/run/collector.sock", UNKNOWN),
    ],
)
def test_without_headers_the_client_is_the_peer(peer: str, address: str) -> None:
    assert address == RESOLVER.resolve(peer, [], None)
    assert address == NOBODY.resolve(peer, [], None)


@pytest.mark.parametrize("peer", [CLIENT, "2001:db8::1", "11.0.0.1"])
@pytest.mark.parametrize("lines", [[], ["198.51.100.1"], ["127.0.0.1"], ["198.51.100.1", PROXY]])
@pytest.mark.parametrize("real_ip", [None, "198.51.100.2"])
def test_headers_of_an_untrusted_peer_are_ignored(
    peer: str, lines: Sequence[str], real_ip: str | None
) -> None:
    assert peer == RESOLVER.resolve(peer, lines, real_ip)


def test_without_trusted_networks_only_a_unix_socket_is_trusted() -> None:
    assert "127.0.0.1" == NOBODY.resolve("127.0.0.1", [CLIENT], CLIENT)
    assert CLIENT == NOBODY.resolve("", [CLIENT], None)


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        (["203.0.113.7, 10.0.0.2, 192.168.0.3, ::1"], "203.0.113.7"),
        (["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        (["127.0.0.1, 203.0.113.7"], "203.0.113.7"),
        (["10.9.9.9, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        (["2001:db8::5, fd00::2"], "2001:db8::5"),
        (["203.0.113.7", "10.0.0.2"], "203.0.113.7"),
        (["198.51.100.1", "203.0.113.7"], "203.0.113.7"),
        (["198.51.100.1, 203.0.113.7", "10.0.0.2", "10.0.0.3"], "203.0.113.7"),
        (["203.0.113.7,10.0.0.2"], "203.0.113.7"),
        (["  203.0.113.7\t,\t10.0.0.2  "], "203.0.113.7"),
    ],
)
def test_the_client_is_the_first_untrusted_address_from_the_right(
    lines: Sequence[str], address: str
) -> None:
    assert address == forwarded(*lines)


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["10.0.0.2"], "10.0.0.2"),
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (["192.168.7.7", "10.0.0.2, 127.0.0.1"], "192.168.7.7"),
        (["fd00::9, 10.0.0.2"], "fd00::9"),
    ],
)
def test_the_client_is_the_leftmost_address_if_all_are_trusted(
    lines: Sequence[str], address: str
) -> None:
    assert address == forwarded(*lines)


@pytest.mark.parametrize(
    "wrong",
    [
        "unknown",
        "_hidden",
        "unix:",
        "203.0.113",
        "203.0.113.256",
        "203.0.113.07",
        "203.0.113.7.1",
        "203.0.113.7:",
        "203.0.113.7:x",
        "203.0.113.7:123456",
        "203.0.113.7:1:2",
        "203.0.113.7/32",
        "203.0.113.7 10.0.0.1",
        "203.0.113.7%eth0",
        "203.0.113.7\x00",
        "203.0.113.7\n",
        "3405803783",
        "0xcb007107",
        "[203.0.113.7]",
        "[203.0.113.7]:80",
        "[2001:db8::1",
        "2001:db8::1]",
        "[2001:db8::1]:",
        "[2001:db8::1]80",
        "[2001:db8::1]:x",
        "[[2001:db8::1]]",
        "[]:80",
        "2001:db8::1::2",
        "2001:db8:1:2:3:4:5:6:443",
        "2001:db8::g",
        '"203.0.113.7"',
        "for=203.0.113.7",
        "client.example",
        "\u0661.2.3.4",
        "<script>",
        "fe80::1%" + "a" * 5000,
        "1" * 5000,
    ],
)
def test_an_invalid_entry_ends_the_walk_at_the_last_address(wrong: str) -> None:
    assert PROXY == forwarded(wrong)
    assert PROXY == forwarded(f"198.51.100.1, {wrong}")
    assert "10.0.0.2" == forwarded(f"198.51.100.1, {wrong}, 10.0.0.2")
    assert "10.0.0.3" == forwarded("198.51.100.1", wrong, "10.0.0.3, 10.0.0.2")
    assert CLIENT == forwarded(f"{wrong}, {CLIENT}, 10.0.0.2")


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("203.0.113.7:5678", "203.0.113.7"),
        ("203.0.113.7:0", "203.0.113.7"),
        ("203.0.113.7:65535", "203.0.113.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:db8::1:443", "2001:db8::1:443"),
        ("2001:0DB8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::FFFF:CB00:7107", "203.0.113.7"),
        ("[::ffff:203.0.113.7]:443", "203.0.113.7"),
        ("2001:db8::1%eth0", "2001:db8::1"),
        ("[2001:db8::1%25]:443", "2001:db8::1"),
        ("2001:db8::1%\r<script>", "2001:db8::1"),
        ("::ffff:203.0.113.7%eth0", "203.0.113.7"),
    ],
)
def test_an_address_is_returned_in_canonical_form(entry: str, address: str) -> None:
    assert address == forwarded(f"198.51.100.1, {entry}, 10.0.0.2")
    assert address == forwarded(real_ip=entry)


@pytest.mark.parametrize(
    "entry", ["10.0.0.2:80", "[fd00::2]:80", "::ffff:10.0.0.2", "fe80::2%eth0", "[::1]"]
)
def test_a_proxy_is_recognized_in_any_form_of_its_address(entry: str) -> None:
    assert CLIENT == forwarded(f"{CLIENT}, {entry}")


@pytest.mark.parametrize(
    "lines",
    [
        [f",{CLIENT}"],
        [f"{CLIENT},"],
        [f"{CLIENT},,,10.0.0.2"],
        [f", , {CLIENT} , ,\t, 10.0.0.2, ,"],
        [CLIENT, ""],
        ["", CLIENT, " ", "10.0.0.2", ","],
    ],
)
def test_empty_entries_are_skipped(lines: Sequence[str]) -> None:
    assert CLIENT == forwarded(*lines)


@pytest.mark.parametrize(
    ("proxies", "address"),
    [(MAX_ENTRIES - 1, CLIENT), (MAX_ENTRIES, "10.0.0.2"), (MAX_ENTRIES * 50, "10.0.0.2")],
)
def test_the_walk_ends_after_a_hundred_entries(proxies: int, address: str) -> None:
    assert address == forwarded(CLIENT, ", ".join(["10.0.0.2"] * proxies))
    assert address == forwarded(CLIENT, *["10.0.0.2"] * proxies)


def test_empty_entries_count_as_steps_of_the_walk() -> None:
    assert "10.0.0.2" == forwarded(f"{CLIENT}{',' * MAX_ENTRIES}10.0.0.2")


@pytest.mark.parametrize("lines", [[], [""], [" "], [",", " , "]])
def test_x_real_ip_counts_if_x_forwarded_for_is_empty(lines: Sequence[str]) -> None:
    assert CLIENT == forwarded(*lines, real_ip=f" {CLIENT} ")


@pytest.mark.parametrize(
    ("line", "address"), [(CLIENT, CLIENT), ("10.0.0.2", "10.0.0.2"), ("unknown", PROXY)]
)
def test_x_real_ip_does_not_count_beside_x_forwarded_for(line: str, address: str) -> None:
    assert address == forwarded(line, real_ip="198.51.100.9")


@pytest.mark.parametrize(
    ("real_ip", "address"),
    [
        ("10.0.0.9", "10.0.0.9"),
        ("", PROXY),
        ("unknown", PROXY),
        ("203.0.113.7, 198.51.100.1", PROXY),
        ("203.0.113.7\r\nA: b", PROXY),
        ("2" * 5000, PROXY),
    ],
)
def test_x_real_ip_is_an_address_or_nothing(real_ip: str, address: str) -> None:
    assert address == forwarded(real_ip=real_ip)


@pytest.mark.parametrize("peer", ["", UNKNOWN, "/run/collector.sock"])
def test_behind_a_unix_socket_the_headers_name_the_client(peer: str) -> None:
    assert CLIENT == forwarded(f"198.51.100.1, {CLIENT}, 10.0.0.2", peer=peer)
    assert CLIENT == forwarded(peer=peer, real_ip=CLIENT)
    assert UNKNOWN == forwarded("unknown", peer=peer)
    assert UNKNOWN == forwarded(peer=peer, real_ip="unknown")


def test_an_unspecified_address_in_a_header_is_no_unix_socket() -> None:
    assert UNKNOWN == forwarded(f"{CLIENT}, {UNKNOWN}")


def test_a_trusted_network_of_mapped_addresses_is_an_ipv4_network() -> None:
    resolver = AddressResolver([ip_network("::ffff:198.51.100.0/120")])

    assert resolver.trusts("198.51.100.255")
    assert resolver.trusts("::ffff:198.51.100.0")
    assert not resolver.trusts("198.51.101.0")


def test_trusting_all_of_ipv6_trusts_nothing_of_ipv4() -> None:
    resolver = AddressResolver([ip_network("::/0")])

    assert resolver.trusts("2001:db8::1")
    assert not resolver.trusts("::ffff:198.51.100.1")


def test_more_addresses_than_are_cached_are_resolved() -> None:
    clients = [str(ip_address("198.18.0.0") + index) for index in range(3000)]

    assert clients == [forwarded(client) for client in clients]
    assert clients == [forwarded(client) for client in clients]


def test_resolvers_do_not_share_a_cache() -> None:
    other = AddressResolver([ip_network(f"{CLIENT}/32")])

    assert not RESOLVER.trusts(CLIENT)
    assert other.trusts(CLIENT)
    assert not RESOLVER.trusts(CLIENT)


def test_resolvers_are_equal_by_their_networks_and_immutable() -> None:
    networks = [ip_network("10.0.0.0/8")]
    resolver = AddressResolver(networks)
    networks.clear()

    assert AddressResolver([ip_network("10.0.0.0/8")]) == resolver
    with pytest.raises(AttributeError):
        resolver.trusted = ()  # type: ignore[misc]
