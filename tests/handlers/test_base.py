"""Promises of the base of all handlers."""

import asyncio
from typing import Any

import pytest

from tests.handlers.raw import raw_failure, send_raw
from tests.handlers.server import EVENT, ONE, SHOP, Fetch, Site, failure, make_site, payload
from tests.http1.raw_http import request
from tests.support.waiting import until


@pytest.mark.parametrize(
    ("path", "allow"),
    [(ONE, "OPTIONS, POST"), (ONE + "/batch", "OPTIONS, POST"), ("/health", "GET, HEAD")],
)
async def test_a_405_lists_the_allowed_methods(path: str, allow: str) -> None:
    response = await send_raw(make_site(), request("PATCH", path))
    assert (405, "method_not_allowed") == raw_failure(response)
    assert allow == response.headers["allow"]


async def test_a_404_names_the_path(fetch: Fetch) -> None:
    response = await fetch("/nowhere", "GET")
    assert (404, "not_found") == failure(response)
    assert b"no endpoint at /nowhere" in response.body


async def test_a_404_quotes_the_beginning_of_a_long_path(fetch: Fetch) -> None:
    response = await fetch(f"/{'n' * 20_000}", "GET")
    expected = f"there is no endpoint at /{'n' * 99}...: check the URL"
    assert expected == payload(response)["error"]["message"]


@pytest.mark.parametrize(
    ("given", "trusted", "is_kept"),
    [
        ("abc-1", True, True),
        ("abc-1", False, False),
        ("a" * 65, True, False),
        ("a b", True, False),
        ("a\xff", True, False),
    ],
)
async def test_a_request_id_is_kept_if_a_trusted_proxy_sends_a_plain_one(
    given: str, trusted: bool, is_kept: bool
) -> None:
    site = make_site(trusted=["127.0.0.0/8"] if trusted else [])
    response = await send_raw(site, request("GET", "/health", [("X-Request-Id", given)]))
    assert is_kept == (given == response.headers["x-request-id"])


@pytest.mark.parametrize(
    ("method", "path", "cached"), [("POST", ONE, None), ("GET", "/health", "no-store")]
)
async def test_a_response_that_a_cache_could_keep_forbids_it(
    fetch: Fetch, method: str, path: str, cached: str | None
) -> None:
    body = {"body": EVENT} if method == "POST" else {}
    response = await fetch(path, method, **body)
    assert cached == response.headers.get("Cache-Control")
    assert "Etag" not in response.headers


async def test_a_request_with_a_response_is_not_in_flight_any_more(
    fetch: Fetch, site: Site
) -> None:
    await fetch(ONE, body=EVENT)
    await fetch(ONE, body=b"nonsense")
    await fetch("/nowhere", "GET")
    assert 0 == site.activity.in_flight


async def test_a_request_whose_client_disconnected_is_not_in_flight_any_more(
    http_server: Any, http_port: int, site: Site
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", http_port)
    writer.write(request("POST", ONE, [("Content-Length", "100")]))
    await until(lambda: site.activity.in_flight == 1)
    writer.close()
    await until(lambda: site.activity.in_flight == 0)


async def test_a_server_that_stops_closes_connections(fetch: Fetch, site: Site) -> None:
    site.activity.draining = True
    response = await fetch(ONE, body=EVENT)
    assert (200, "close") == (response.code, response.headers["Connection"].lower())


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", ONE), ("POST", "/health"), ("PUT", ONE), ("GET", "/health"), ("POST", "/nowhere")],
)
async def test_a_chunked_body_that_never_ends_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    monkeypatch.setattr("handlers.base.DISCARDED_BYTES", 100_000)
    head = request(method, path, [("Transfer-Encoding", "chunked"), ("Origin", SHOP)])
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    response = await send_raw(make_site(), head, *[chunk] * 20)
    assert response.status in {413, 405, 404}
    assert response.status != 413 or "close" == response.headers["connection"].lower()
    await until(lambda: len(asyncio.all_tasks()) == 1)  # none waits for the rest of the body
    assert response.headers["x-request-id"] == response.json["request_id"]


async def test_the_log_has_each_cors_decision_if_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "handlers.base")
    site = make_site(cors_debug=True)
    response = await send_raw(site, request("POST", ONE, [("Origin", SHOP)], EVENT))
    (line,) = (vars(each)["fields"] for each in caplog.records if each.name == "handlers.base")
    assert {
        "origin": SHOP,
        "allowed": True,
        "reason": "every origin is allowed",
        "method": "POST",
        "path": ONE,
        "request_id": response.headers["x-request-id"],
    } == line
