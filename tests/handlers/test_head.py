"""Decisions on a request's head, and the head of its response."""

from ipaddress import ip_network

import pytest

from handlers.client_address import AddressResolver
from handlers.cors import CorsPolicy
from handlers.head import Facts, HeadRules, facts_from_fields, facts_from_headers
from settings.origins import allowed_origin
from tests.handlers.server import SHOP

PROXY = "10.0.0.1"
STRANGER = "192.0.2.9"
FIELDS = {
    "Host": "h",
    "X-Forwarded-Host": "fh",
    "X-Forwarded-For": "1.2.3.4",
    "X-Real-Ip": "5.6.7.8",
    "X-Request-Id": "id",
    "Origin": "o",
    "Referer": "r",
    "User-Agent": "gr\xfcn",
    "Content-Type": "t",
    "Content-Encoding": "e",
    "Content-Length": "4",
}
NOW = 1_795_455_000.0


def rules(origin: str = "*") -> HeadRules:
    return HeadRules(
        AddressResolver([ip_network("10.0.0.0/8")]),
        CorsPolicy.from_origins([allowed_origin(origin)]),
    )


def test_each_fact_has_a_header_field() -> None:
    facts = facts_from_headers("POST", "/e", PROXY, FIELDS.get)
    assert ("POST", "/e", PROXY, *FIELDS.values()) == facts


def test_raw_fields_give_the_same_facts() -> None:
    raw = {name.lower().encode(): value.encode("latin-1") for name, value in FIELDS.items()}
    assert facts_from_headers("POST", "/e", PROXY, FIELDS.get) == facts_from_fields(
        "POST", "/e", PROXY, raw
    )


def test_an_absent_field_is_none() -> None:
    assert Facts("POST", "/e", PROXY) == facts_from_fields("POST", "/e", PROXY, {})


def test_only_a_trusted_proxy_chooses_id_and_address() -> None:
    given = {"forwarded_for": "1.2.3.4", "given_request_id": "id"}
    trusted = rules().identify(Facts("POST", "/e", PROXY, **given))
    assert ("id", "1.2.3.4") == trusted[:2]
    stranger = rules().identify(Facts("POST", "/e", STRANGER, **given))
    assert STRANGER == stranger.client_address
    assert "id" != stranger.request_id


@pytest.mark.parametrize(
    ("peer", "host", "forwarded_host", "expected"),
    [
        (PROXY, None, None, []),
        (PROXY, "a", None, ["a"]),
        (PROXY, "a", "b, c", ["a", "b", "c"]),
        (STRANGER, "a", "b", ["a"]),
    ],
)
def test_the_names_of_the_server_are_those_that_a_trusted_proxy_says(
    peer: str, host: str | None, forwarded_host: str | None, expected: list[str]
) -> None:
    facts = Facts("POST", "/e", peer, host, forwarded_host)
    assert expected == list(rules().own_hosts(facts))


def test_a_page_on_the_own_host_is_allowed() -> None:
    facts = Facts("POST", "/e", PROXY, host="own.example", origin="https://own.example")
    assert rules("https://other.example").identify(facts).cors.allowed


def test_the_response_to_a_post_has_few_header_fields() -> None:
    identity = rules().identify(Facts("POST", "/e", STRANGER))
    assert [
        ("Date", "Mon, 23 Nov 2026 17:30:00 GMT"),
        ("Content-Type", "application/json"),
        ("X-Request-Id", identity.request_id),
        ("Vary", "Origin"),
    ] == rules().response_headers("POST", identity, NOW)


def test_no_cache_keeps_the_response_to_another_method() -> None:
    facts = Facts("GET", "/e", STRANGER, origin=SHOP)
    headers = dict(rules().response_headers("GET", rules().identify(facts), NOW))
    assert ("no-store", SHOP) == (headers["Cache-Control"], headers["Access-Control-Allow-Origin"])
