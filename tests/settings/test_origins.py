import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.cors import CorsPolicy
from settings.origins import Origin, Scope, allowed_origin, check_together, is_origin, parse_origin

SHOP = "https://shop.example.com"
ENTRIES = {
    "*": (Scope.EVERY, None),
    SHOP: (Scope.ONE, Origin("https", "shop.example.com")),
    "https://a.example:8443": (Scope.ONE, Origin("https", "a.example:8443")),
    "https://a.example:443": (Scope.ONE, Origin("https", "a.example")),
    "http://a.example:443": (Scope.ONE, Origin("http", "a.example:443")),
    "http://a.example:00080": (Scope.ONE, Origin("http", "a.example")),
    "https://shop.example.com:65535": (Scope.ONE, Origin("https", "shop.example.com:65535")),
    "http://localhost:3000": (Scope.ONE, Origin("http", "localhost:3000")),
    "https://*.example.com": (Scope.SUBDOMAINS, Origin("https", ".example.com")),
    "https://*.example.com:8443": (Scope.SUBDOMAINS, Origin("https", ".example.com:8443")),
    "https://*.X.example:443": (Scope.SUBDOMAINS, Origin("https", ".x.example")),
    "https://x.example.com": (Scope.ONE, Origin("https", "x.example.com")),
    "HTTPS://A.Example": (Scope.ONE, Origin("https", "a.example")),
    "http://127.0.0.1:8080": (Scope.ONE, Origin("http", "127.0.0.1:8080")),
    "http://[::1]:8080": (Scope.ONE, Origin("http", "[::1]:8080")),
    "https://xn--bcher-kva.example": (Scope.ONE, Origin("https", "xn--bcher-kva.example")),
    "https://my_shop.example": (Scope.ONE, Origin("https", "my_shop.example")),
    "capacitor://localhost": (Scope.ONE, Origin("capacitor", "localhost")),
    f"https://{'a' * 253}": (Scope.ONE, Origin("https", "a" * 253)),
}

NO_SCHEME = "has no scheme: write it as in https://shop.example.com"
MISPLACED = "has a misplaced *: it stands for whole first labels only, as in https://*.a.example"
OPAQUE = "has an opaque origin"
AT = "has an @: leave out any user name, password and path, as in https://a.example"
PORT = "has an impossible port: write one from 1 to 65535"
FORM = "must list origins of the form https://host or https://host:port"
ADVICE = {
    "": NO_SCHEME,
    "shop.example.com": NO_SCHEME,
    "a.example": NO_SCHEME,
    "localhost:3000": NO_SCHEME,
    "*.example.com": NO_SCHEME,
    "https:/shop.example.com": NO_SCHEME,
    "**": NO_SCHEME,
    "https://shop.example.com/": f"has a trailing slash: leave it out and write {SHOP}",
    "https://*.example.com/": "has a trailing slash: leave it out and write https://*.example.com",
    "https://shop.example.com/path": f"has a path: leave it out and write {SHOP}",
    "https://shop.example.com/path/": f"has a path: leave it out and write {SHOP}",
    "https://shop.example.com?q=1": f"has a path: leave it out and write {SHOP}",
    "https://shop.example.com#f": f"has a path: leave it out and write {SHOP}",
    "https://*": MISPLACED,
    "https://*.*.example.com": MISPLACED,
    "https://a*.example.com": MISPLACED,
    "https://*a.example.com": MISPLACED,
    "https://a.*.example.com": MISPLACED,
    "https://shop.example.com:*": MISPLACED,
    "*://shop.example.com": MISPLACED,
    "null": OPAQUE,
    "NULL": OPAQUE,
    "file://": OPAQUE,
    "https://user@shop.example.com": AT,
    "https://u:p@a.example": AT,
    "https://24680/x@b.example": AT,
    "https://shop.example.com:0": PORT,
    "https://shop.example.com:65536": PORT,
    "https://": FORM,
    "https://*.": FORM,
    "https://*.[::1]": FORM,
    "https://[::g]": FORM,
    "https://[1.2.3.4]": FORM,
    "https://[::1::]": FORM,
    "https://.example.com": FORM,
    "https:///": FORM,
    "https://a..b": FORM,
    "https://a..b/": FORM,
    "https://a.-b": FORM,
    "https://a..": FORM,
    "https://*.:8443": FORM,
    "https://a.example:": FORM,
    "https://a.example:0/": FORM,
    "https://bücher.example": FORM,
    " https://shop.example.com": FORM,
    "https://a b": FORM,
    "https://a\n": FORM,
    "https://shop.example.com\r\nA: b": FORM,
    "https://shop.example.com:http": FORM,
    f"https://{'a' * 254}": FORM,
    f"https://*.{'a' * 252}": FORM,
    f"https://{'a' * 200}/": FORM,
}


@pytest.mark.parametrize("text", ENTRIES)
def test_an_entry_is_read_in_its_canonical_form(text: str) -> None:
    entry = allowed_origin(text)
    assert (text, *ENTRIES[text]) == (entry.text, entry.scope, entry.origin)


@pytest.mark.parametrize("text", ENTRIES)
def test_every_entry_makes_a_cors_policy(text: str) -> None:
    policy = CorsPolicy.from_origins([allowed_origin(text)])
    assert (text == "*") == policy.any_origin
    asked = SHOP if text == "*" else text.replace("*", "any.sub-domain")
    assert policy.decide(asked).allowed


@pytest.mark.parametrize("text", ADVICE, ids=ascii)
def test_an_invalid_entry_is_refused_with_a_correction(text: str) -> None:
    with pytest.raises(ValueError, match=rf"\A{re.escape(ADVICE[text])}"):
        allowed_origin(text)


@pytest.mark.parametrize("text", [text for text in ADVICE if "write https" in ADVICE[text]])
def test_the_correction_that_a_message_suggests_is_accepted(text: str) -> None:
    assert allowed_origin(ADVICE[text].rpartition(" ")[2])


PIECES = """
https http app :// : / * *. . .. a x - _ é @ example.com 0 80 443 65536 [::1] [ ] :: 1.2.3.4 ?
"""
pieces = st.sampled_from([*PIECES.split(), " ", "\n"])


@given(st.lists(pieces, max_size=7).map("".join) | st.text(max_size=20))
def test_an_entry_is_an_origin_that_may_have_a_wildcard(text: str) -> None:
    try:
        entry = allowed_origin(text)
    except ValueError:
        return
    assert text == "*" or is_origin(text.replace("*.", "a.", 1))
    assert (entry.scope is Scope.ONE) == is_origin(text)


@given(st.lists(pieces, max_size=7).map("".join) | st.text(max_size=20))
def test_the_canonical_form_of_an_origin_parses_to_itself(text: str) -> None:
    origin = parse_origin(text)
    assert is_origin(text) == (origin is not None)
    if origin is not None:
        assert origin == parse_origin(str(origin))


@pytest.mark.parametrize("entries", [["*"], [SHOP], [SHOP, SHOP], [SHOP, "https://*.a.example"]])
def test_a_list_is_a_star_alone_or_other_entries(entries: list[str]) -> None:
    check_together([allowed_origin(each) for each in entries])


@pytest.mark.parametrize("entries", [[], ["*", "*"], ["*", SHOP], [SHOP, "*"]])
def test_no_list_is_empty_or_has_a_star_beside_another_entry(entries: list[str]) -> None:
    with pytest.raises(
        ValueError, match=r"\Amust be a comma-separated list of origins, or \* alone"
    ):
        check_together([allowed_origin(each) for each in entries])
