"""Admission by table, and the endpoints that ask for it."""

from typing import Any

import pytest

from handlers.admission import AdmissionPolicy, RequestFacts
from handlers.cors import CorsPolicy
from settings.origins import allowed_origin
from tests.handlers.server import EVENT, Fetch, Site, failure, make_site, payload

LISTED = "https://shop.example.com"
OTHER = "https://evil.example"

ANY = AdmissionPolicy(CorsPolicy.from_origins([allowed_origin("*")]))
LIST = AdmissionPolicy(CorsPolicy.from_origins([allowed_origin(LISTED)]))


def decide(policy: AdmissionPolicy, method: str, origin: str | None, referer: str | None) -> str:
    """Return the code with which a request is refused, or `admitted`."""
    facts = RequestFacts(method, policy.origins.decide(origin), referer)
    error = policy.decide(facts).error
    return "admitted" if error is None else error.kind.code


@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
@pytest.mark.parametrize(
    ("policy", "origin", "expected"),
    [
        (ANY, None, "admitted"),
        (ANY, OTHER, "admitted"),
        (ANY, "null", "admitted"),
        (ANY, "", "origin_not_allowed"),
        (ANY, "non sense", "origin_not_allowed"),
        (LIST, None, "admitted"),
        (LIST, LISTED, "admitted"),
        (LIST, OTHER, "origin_not_allowed"),
        (LIST, "null", "origin_not_allowed"),
    ],
)
def test_the_origin_decides(
    policy: AdmissionPolicy, method: str, origin: str | None, expected: str
) -> None:
    assert expected == decide(policy, method, origin, None)


@pytest.mark.parametrize(
    ("method", "origin", "referer", "expected"),
    [
        ("GET", None, f"{LISTED}/cart?x=1", "admitted"),
        ("GET", None, f"{OTHER}/", "origin_not_allowed"),
        ("GET", None, f"{LISTED}.evil.example/", "origin_not_allowed"),
        ("GET", None, "HTTPS://EVIL.EXAMPLE", "origin_not_allowed"),
        ("GET", None, "android-app://com.example.mail/", "admitted"),
        ("GET", None, "about:blank", "admitted"),
        ("GET", None, "", "admitted"),
        ("GET", LISTED, f"{OTHER}/", "admitted"),
        ("GET", OTHER, f"{LISTED}/", "origin_not_allowed"),
        ("POST", None, f"{OTHER}/", "admitted"),
        ("OPTIONS", None, f"{OTHER}/", "admitted"),
    ],
)
def test_the_referer_decides_on_an_image_without_an_origin(
    method: str, origin: str | None, referer: str, expected: str
) -> None:
    assert expected == decide(LIST, method, origin, referer)


def test_every_referer_is_admitted_if_every_origin_is() -> None:
    assert "admitted" == decide(ANY, "GET", None, f"{OTHER}/")


def test_the_error_is_a_403_that_gives_the_reason() -> None:
    decision = LIST.origins.decide(OTHER)
    error = LIST.decide(RequestFacts("POST", decision)).error
    assert error is not None
    assert 403 == error.status_code
    assert decision.reason in error.message


def test_each_refused_request_has_an_error_of_its_own() -> None:
    facts = RequestFacts("POST", LIST.origins.decide(OTHER))
    assert LIST.decide(facts).error is not LIST.decide(facts).error


@pytest.fixture
def site() -> Site:
    return make_site(origins=[LISTED])


MARK = "selftest={run}.row.1"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/events", EVENT),
        ("POST", "/api/v1/events", b"non sense"),
        ("POST", "/api/v1/events/batch", b"[" + EVENT + b"]"),
        ("GET", "/api/v1/pixel.gif?event_type=c", None),
        ("POST", "/api/v1/events?" + MARK, EVENT),
        ("POST", "/api/v1/events/batch?" + MARK, b"[" + EVENT + b"]"),
        ("GET", "/api/v1/pixel.gif?event_type=c&" + MARK, None),
        ("OPTIONS", "/api/v1/events", None),
        ("OPTIONS", "/api/v1/events/batch", None),
        ("OPTIONS", "/api/v1/pixel.gif", None),
        ("OPTIONS", "/api/v1/events?" + MARK, None),
    ],
)
async def test_every_endpoint_for_events_asks_for_admission(
    fetch: Fetch, site: Site, method: str, path: str, body: Any
) -> None:
    request = {} if body is None else {"body": body}
    run = payload(await fetch("/selftest/runs", body=b""))["run"]
    path = path.format(run=run)
    assert 403 == (await fetch(path, method, headers={"Origin": OTHER}, **request)).code
    assert [] == site.sink.events
    assert 403 != (await fetch(path, method, headers={"Origin": LISTED}, **request)).code


@pytest.mark.parametrize(("method", "body"), [("PUT", b"{}"), ("GET", None), ("DELETE", None)])
async def test_a_method_without_events_is_a_405_for_every_origin(
    fetch: Fetch, method: str, body: Any
) -> None:
    request = {} if body is None else {"body": body}
    response = await fetch("/api/v1/events", method, headers={"Origin": OTHER}, **request)
    assert 405 == response.code


async def test_an_event_of_a_refused_origin_is_not_stored_and_gets_no_cors_header(
    fetch: Fetch, site: Site
) -> None:
    response = await fetch("/api/v1/events", body=EVENT, headers={"Origin": OTHER})
    assert (403, "origin_not_allowed") == failure(response)
    assert [] == site.sink.events
    assert [] == [name for name in response.headers if name.startswith("Access-Control-")]


async def test_an_event_of_a_listed_origin_is_stored(fetch: Fetch, site: Site) -> None:
    response = await fetch("/api/v1/events", body=EVENT, headers={"Origin": LISTED})
    assert (200, LISTED) == (response.code, response.headers["Access-Control-Allow-Origin"])
    assert 1 == len(site.sink.events)


async def test_an_event_without_an_origin_is_stored_with_every_list(
    fetch: Fetch, site: Site
) -> None:
    assert 200 == (await fetch("/api/v1/events", body=EVENT)).code
    assert 1 == len(site.sink.events)


def test_a_listed_subdomain_is_admitted() -> None:
    policy = AdmissionPolicy(CorsPolicy.from_origins([allowed_origin("https://*.example.com")]))
    assert "admitted" == decide(policy, "POST", LISTED, None)
    assert "origin_not_allowed" == decide(policy, "POST", OTHER, None)
