"""Promises of /health and /ready."""

import asyncio
from typing import Any

import pytest

from storage.refusals import JournalFull
from tests.handlers.server import EVENT, ONE, Fetch, Site, failure, payload
from tests.http1.raw_http import read_response, request


async def test_health_sends_the_report(fetch: Fetch) -> None:
    response = await fetch("/health", "GET")
    assert (200, {"status": "healthy"}) == (response.code, payload(response))


async def test_head_on_health_has_the_headers_and_no_body(http_server: Any, http_port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", http_port)
    writer.write(request("HEAD", "/health", [("Connection", "close")]))
    response = await read_response(reader, has_body=False)
    rest = await reader.read()
    writer.close()
    assert 200 == response.status
    assert 0 < int(response.headers["content-length"])
    assert b"" == rest


async def test_a_server_that_accepts_events_is_ready(fetch: Fetch) -> None:
    response = await fetch("/ready", "GET")
    assert (200, {"status": "ready"}) == (response.code, payload(response))


async def test_a_server_that_refuses_events_is_healthy_but_not_ready(
    fetch: Fetch, site: Site
) -> None:
    site.sink.refused = JournalFull("the journal is full", 7)
    response = await fetch("/ready", "GET")
    assert (503, "journal_full") == failure(response)
    assert "7" == response.headers["Retry-After"]
    assert 200 == (await fetch("/health", "GET")).code


async def test_a_server_that_stops_is_not_ready_and_closes_connections(
    fetch: Fetch, site: Site
) -> None:
    site.activity.stopping = site.activity.draining = True
    response = await fetch("/ready", "GET")
    assert (503, "shutting_down") == failure(response)
    assert "close" == response.headers["Connection"].lower()


async def test_a_server_that_is_about_to_stop_is_not_ready_and_serves(
    fetch: Fetch, site: Site
) -> None:
    site.activity.stopping = True
    assert (503, "shutting_down") == failure(await fetch("/ready", "GET"))
    assert 200 == (await fetch(ONE, body=EVENT)).code


@pytest.mark.parametrize(("refused", "status"), [(None, 200), (JournalFull("full", 7), 503)])
async def test_head_on_ready_has_the_same_status(
    fetch: Fetch, site: Site, refused: JournalFull | None, status: int
) -> None:
    site.sink.refused = refused
    assert status == (await fetch("/ready", "HEAD")).code
