import re
from collections.abc import Sequence

import pytest

from handlers.cors import (
    DEFAULT_ALLOW_HEADERS,
    MAX_ALLOW_HEADERS_CHARS,
    MAX_ORIGIN_CHARS,
    CorsDecision,
    CorsPolicy,
)
from settings.origins import allowed_origin

SHOP = "https://shop.example.com"
POST = ["OPTIONS", "POST"]


def policy_of(*entries: str) -> CorsPolicy:
    return CorsPolicy.from_origins([allowed_origin(each) for each in entries])


UNSAFE = re.compile(r"[^!-~\x80-\xff]")

ANY = policy_of("*")
ENTRIES = (
    SHOP,
    "http://localhost:3000",
    "https://A.Example.NET:443",
    "http://plain.example:80",
    "https://plain.example:80",
    "http://[::1]:8080",
    "capacitor://localhost",
    "https://*.example.org",
    "https://*.shops.example:8443",
    "http://*.Dev.example",
)
LISTED = policy_of(*ENTRIES)

MALFORMED = [
    "",
    " ",
    "*",
    "NULL",
    "shop.example.com",
    "//shop.example.com",
    "https://",
    "https:/shop.example.com",
    "https:shop.example.com",
    "https://shop.example.com/",
    "https://shop.example.com/path",
    "https://shop.example.com?q",
    "https://shop.example.com#f",
    "https://user@shop.example.com",
    "https://shop.example.com:",
    "https://shop.example.com:x",
    "https://shop.example.com:123456",
    "https://shop.example.com, https://b.example",
    "https://shop.example.com https://b.example",
    "https://shop.example.com\r\nSet-Cookie: a=b",
    "https://shop.example.com\n",
    "https://shop.example.com\x00",
    "https://shop\t.example.com",
    "https://shop.example.com\x7f",
    "https://shöp.example.com",
    "https://\u212aelvin.example",
    "https://shop.example.com:\u0661",
    "https://.example.org",
    "https://shop.example.com..",
    "https://[::1",
    "https://::1",
    "1https://shop.example.com",
    "https://<script>",
    'https://a"b',
    "null ",
]


def vary(headers: Sequence[tuple[str, str]]) -> list[str]:
    return [value for name, value in headers if name == "Vary"]


@pytest.mark.parametrize(
    "origin",
    [
        SHOP,
        "HTTPS://Shop.Example.COM",
        "https://shop.example.com:443",
        "http://localhost:3000",
        "https://a.example.net",
        "https://a.example.net:443",
        "http://plain.example",
        "http://plain.example:80",
        "https://plain.example:80",
        "http://[::1]:8080",
        "capacitor://localhost",
        "https://a.example.org",
        "https://a.b.c.example.org",
        "https://A.Example.Org:443",
        "https://xn--bcher-kva.example.org",
        "https://my_shop.example.org",
        "https://a.shops.example:8443",
        "http://a.dev.example",
        "http://a.dev.example:80",
    ],
)
def test_a_listed_origin_is_allowed_and_echoed_unmodified(origin: str) -> None:
    decision = LISTED.decide(origin)

    assert (True, origin) == (decision.allowed, decision.origin)


@pytest.mark.parametrize(
    "origin",
    [
        "http://shop.example.com",
        "https://shop.example.com:444",
        "https://shop.example.com:8443",
        "https://shop.example.com:0",
        "https://example.com",
        "https://a.shop.example.com",
        "https://shop.example.com.evil.example",
        "https://evil-shop.example.com",
        "https://localhost:3000",
        "http://localhost",
        "http://localhost:3001",
        "http://localhost:30000",
        "https://plain.example",
        "capacitor://evil",
        "chrome-extension://localhost",
        "https://example.org",
        "https://evilexample.org",
        "https://example.org.evil.example",
        "https://a.example.org.evil.example",
        "http://a.example.org",
        "https://a.example.org:8443",
        "https://shops.example:8443",
        "https://a.shops.example",
        "https://a.shops.example:84430",
        "https://a.shops.example:18443",
        "https://a.dev.example",
        "http://dev.example",
        "null",
        "file://",
    ],
)
def test_an_unlisted_origin_is_refused(origin: str) -> None:
    decision = LISTED.decide(origin)

    assert (False, None) == (decision.allowed, decision.origin)


@pytest.mark.parametrize(
    "origin",
    [
        SHOP,
        "http://localhost:3000",
        "http://127.0.0.1:8000",
        "http://[2001:db8::1]:8000",
        "null",
        "file://",
        "capacitor://localhost",
        "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
        "https://my_shop.example",
    ],
)
def test_with_a_star_every_origin_is_allowed_and_echoed(origin: str) -> None:
    assert CorsDecision(True, origin, "every origin is allowed") == ANY.decide(origin)


@pytest.mark.parametrize("origin", MALFORMED, ids=ascii)
def test_a_list_refuses_a_malformed_origin(origin: str) -> None:
    decision = LISTED.decide(origin)

    assert (False, None) == (decision.allowed, decision.origin)
    assert "it is not of the form scheme://host or scheme://host:port" == decision.reason


@pytest.mark.parametrize(
    "origin", [each for each in MALFORMED if each and not UNSAFE.search(each)], ids=ascii
)
def test_a_star_allows_every_origin_that_is_safe_in_a_header(origin: str) -> None:
    assert CorsDecision(True, origin, "every origin is allowed") == ANY.decide(origin)


@pytest.mark.parametrize(
    "origin", ["", *(each for each in MALFORMED if UNSAFE.search(each))], ids=ascii
)
def test_a_star_refuses_what_could_end_a_header(origin: str) -> None:
    decision = ANY.decide(origin)

    assert (False, None) == (decision.allowed, decision.origin)


@pytest.mark.parametrize(
    "origin",
    ["https://shop.example.com.", "https://shop.example.com.:443", "https://a.example.org."],
)
def test_a_dot_at_the_end_of_a_host_makes_no_difference(origin: str) -> None:
    decision = LISTED.decide(origin)

    assert (True, origin) == (decision.allowed, decision.origin)
    assert LISTED == policy_of(*(f"{each}." if each == SHOP else each for each in ENTRIES))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://collect.example", "collect.example"),
        ("https://collect.example", "Collect.Example.:443"),
        ("http://collect.example:8080", "collect.example:8080"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://[::2]:8080", "[::2]:8080"),
    ],
)
def test_a_page_of_the_collector_itself_is_not_cross_origin(origin: str, host: str) -> None:
    decision = LISTED.decide(origin, ["internal", host])

    assert (True, origin, "it is the collector's own host") == (
        decision.allowed,
        decision.origin,
        decision.reason,
    )


@pytest.mark.parametrize("host", ["", "other.example", "collect.example:8080", "x@y", "a, b"])
def test_a_page_of_another_host_or_port_is_cross_origin(host: str) -> None:
    assert not LISTED.decide("https://collect.example", [host]).allowed


@pytest.mark.parametrize(
    ("length", "allowed"), [(MAX_ORIGIN_CHARS, True), (MAX_ORIGIN_CHARS + 1, False)]
)
def test_an_origin_is_echoed_up_to_the_maximum_length(length: int, allowed: bool) -> None:
    long_host = "https://".ljust(length, "a")
    long_scheme = "://a.example".rjust(length, "a")

    assert allowed == ANY.decide(long_host).allowed
    assert allowed == ANY.decide(long_scheme).allowed
    assert allowed == policy_of(long_scheme).decide(long_scheme).allowed


@pytest.mark.parametrize("policy", [ANY, LISTED], ids=["any", "listed"])
def test_a_request_without_an_origin_is_allowed_and_gets_only_vary(policy: CorsPolicy) -> None:
    decision = policy.decide(None)

    assert CorsDecision(True, None, "the request names no origin") == decision
    assert [("Vary", "Origin")] == policy.response_headers(decision)


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        (SHOP, "it is in CORS_ALLOWED_ORIGINS"),
        ("HTTPS://SHOP.example.com:443", "it is in CORS_ALLOWED_ORIGINS"),
        ("https://a.example.org", "its parent domain is in CORS_ALLOWED_ORIGINS"),
        ("https://b.example", "it is not in CORS_ALLOWED_ORIGINS"),
        ("null", "an opaque origin is allowed only where every one is"),
        ("a" * 600, "it is longer than 512 characters"),
    ],
)
def test_a_decision_says_why(origin: str, reason: str) -> None:
    assert reason == LISTED.decide(origin).reason


@pytest.mark.parametrize("origin", [*MALFORMED, "https://<b>.example", "a" * 9000], ids=len)
def test_a_reason_repeats_nothing_of_a_refused_origin(origin: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_:/ ]+", LISTED.decide(origin).reason)


@pytest.mark.parametrize("entries", [["*", SHOP], [SHOP, "*"], ["*", "*"], []], ids=",".join)
def test_a_policy_is_made_of_a_star_alone_or_of_other_entries(entries: list[str]) -> None:
    with pytest.raises(
        ValueError, match=r"^must be a comma-separated list of origins, or \* alone$"
    ):
        policy_of(*entries)


def test_an_entry_may_be_repeated() -> None:
    assert policy_of(SHOP) == policy_of(SHOP, SHOP)


@pytest.mark.parametrize("policy", [ANY, LISTED], ids=["any", "listed"])
def test_an_allowed_origin_gets_the_headers_that_a_beacon_needs(policy: CorsPolicy) -> None:
    expected = [
        ("Access-Control-Allow-Origin", SHOP),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", "X-Request-Id, Retry-After"),
        ("Vary", "Origin"),
    ]

    assert expected == policy.response_headers(policy.decide(SHOP))


def test_a_refused_origin_gets_only_vary_and_its_preflight_nothing() -> None:
    decision = LISTED.decide("https://b.example")

    assert [("Vary", "Origin")] == LISTED.response_headers(decision)
    assert [] == LISTED.preflight_headers(decision, POST, "content-type")


def test_a_preflight_names_methods_headers_and_its_max_age() -> None:
    expected = [
        ("Access-Control-Allow-Methods", "OPTIONS, POST"),
        ("Access-Control-Allow-Headers", "authorization, content-type"),
        ("Access-Control-Max-Age", "7200"),
        ("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    ]

    assert expected == ANY.preflight_headers(ANY.decide(SHOP), POST, "authorization,content-type")


def test_options_without_an_origin_is_no_preflight_but_varies_like_one() -> None:
    headers = ANY.preflight_headers(ANY.decide(None), POST, "content-type")

    assert [
        ("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
    ] == headers


def test_a_preflight_varies_by_more_than_other_responses() -> None:
    decision = ANY.decide(SHOP)
    [usual], [preflight] = (
        vary(ANY.response_headers(decision)),
        vary(ANY.preflight_headers(decision, POST, None)),
    )

    assert set(usual.split(", ")) < set(preflight.split(", "))


def allowed_headers(requested: str | None) -> str:
    headers = dict(ANY.preflight_headers(ANY.decide(SHOP), POST, requested))
    return headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    ("requested", "allowed"),
    [
        ("content-type", "content-type"),
        ("Content-Type", "Content-Type"),
        ("authorization,content-type,x-project-id", "authorization, content-type, x-project-id"),
        (" a ,\tb ,, c,", "a, b, c"),
        ("!#$%&'*+-.^_`|~09azAZ", "!#$%&'*+-.^_`|~09azAZ"),
        ("a, b c, d", "a, d"),
        ("a, b:c, (d), e;f, g=h, /i, @j, k", "a, k"),
        ("a, b\r\nSet-Cookie: c=d, e", "a, e"),
        ("a, b\nc, d\x00, é, \u0661, f", "a, f"),
        ('"a", b', "b"),
    ],
)
def test_requested_header_names_are_echoed_and_anything_else_left_out(
    requested: str, allowed: str
) -> None:
    assert allowed == allowed_headers(requested)


@pytest.mark.parametrize("requested", [None, "", " ", ",,", "a b", "\r\n"])
def test_a_preflight_that_requests_no_header_gets_the_default_ones(requested: str | None) -> None:
    assert ", ".join(DEFAULT_ALLOW_HEADERS) == allowed_headers(requested)


@pytest.mark.parametrize("name", ["x", "x-header", "x" * 1000])
def test_the_echoed_names_are_bounded_and_none_is_cut(name: str) -> None:
    allowed = allowed_headers(",".join([name] * 5000))

    assert {name} == set(allowed.split(", "))
    assert MAX_ALLOW_HEADERS_CHARS - len(name) - 4 <= len(allowed) <= MAX_ALLOW_HEADERS_CHARS


def test_a_policy_and_a_decision_cannot_be_changed() -> None:
    decision = ANY.decide(SHOP)

    with pytest.raises(AttributeError):
        decision.allowed = False  # type: ignore[misc]
    with pytest.raises(AttributeError):
        ANY.any_origin = False  # type: ignore[misc]
    with pytest.raises(TypeError):
        LISTED.subdomains["https"] = (".evil.example",)  # type: ignore[index]


def test_policies_are_equal_by_what_they_allow() -> None:
    origins = [SHOP, "https://*.example.org"]
    same = [SHOP.upper() + ":443", "https://*.Example.org:443"]

    assert 1 == len({policy_of(*origins), policy_of(*same)})
    assert ANY != policy_of(*origins)
