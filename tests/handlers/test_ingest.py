"""Promises of every endpoint for events: metadata, encodings, refusals, defects."""

import gzip
import json
from typing import Any

import pytest

from storage.refusals import JournalBusy, JournalClosed, JournalFull, JournalUnavailable, Refusal
from tests.handlers.raw import send_raw
from tests.handlers.server import (
    BATCH,
    EVENT,
    MAX_BODY_BYTES,
    NOW_TEXT,
    ONE,
    SHOP,
    Fetch,
    Site,
    failure,
    make_site,
    payload,
)
from tests.http1.raw_http import request


def sent(event: Any) -> bytes:
    return json.dumps(event).encode()


async def test_the_server_adds_id_times_address_and_user_agent(fetch: Fetch, site: Site) -> None:
    body = sent({"event_type": "click", "ip_address": "6.6.6.6", "received_at": "never"})
    response = await fetch(ONE, body=body, headers={"User-Agent": "agent/1"})
    assert [
        {
            "event_id": "made-1",
            "event_type": "click",
            "timestamp": NOW_TEXT,
            "received_at": NOW_TEXT,
            "ip_address": "127.0.0.1",
            "user_agent": "agent/1",
        }
    ] == site.sink.events
    assert "made-1" == payload(response)["event_id"]


async def test_a_user_agent_in_utf_8_is_decoded(fetch: Fetch, site: Site) -> None:
    await fetch(
        ONE,
        body=sent({"event_type": "c"}),
        headers={"User-Agent": "Büro".encode().decode("latin-1")},
    )
    assert "Büro" == site.sink.events[0]["user_agent"]


async def test_a_long_user_agent_is_truncated(fetch: Fetch, site: Site) -> None:
    await fetch(ONE, body=sent({"event_type": "c"}), headers={"User-Agent": "a" * 5000})
    assert "a" * 1024 == site.sink.events[0]["user_agent"]


async def test_bodies_over_the_memory_budget_are_refused(fetch: Fetch, site: Site) -> None:
    room = site.budget.left
    assert site.budget.reserve(room)
    response = await fetch(ONE, body=sent({"event_type": "c"}))
    assert (503, "server_busy") == failure(response)
    assert "1" == response.headers["Retry-After"]
    site.budget.release(room)
    assert 200 == (await fetch(ONE, body=sent({"event_type": "c"}))).code
    assert room == site.budget.left


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "nonsense",
        "",
    ],
)
async def test_any_content_type_is_read_as_json(
    fetch: Fetch, site: Site, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    assert 200 == (await fetch(ONE, body=sent({"event_type": "c"}), headers=headers)).code
    assert 1 == len(site.sink.events)


async def test_a_gzip_body_is_decompressed(fetch: Fetch, site: Site) -> None:
    headers = {"Content-Encoding": "gzip"}
    assert (
        200
        == (await fetch(ONE, body=gzip.compress(sent({"event_type": "z"})), headers=headers)).code
    )
    assert "z" == site.sink.events[0]["event_type"]


async def test_a_gzip_body_is_recognized_without_its_header(fetch: Fetch, site: Site) -> None:
    assert 200 == (await fetch(ONE, body=gzip.compress(sent({"event_type": "z"})))).code
    assert "z" == site.sink.events[0]["event_type"]
    assert (400, "invalid_encoding") == failure(await fetch(ONE, body=b"\x1f\x8b"))


@pytest.mark.parametrize(
    ("encoding", "body", "expected"),
    [
        ("br", b"{}", (415, "unsupported_encoding")),
        ("gzip, gzip", b"{}", (415, "unsupported_encoding")),
        ("gzip", b"{}", (400, "invalid_encoding")),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-4], (400, "invalid_encoding")),
        ("gzip", gzip.compress(b" " * (MAX_BODY_BYTES + 1), mtime=0), (413, "body_too_large")),
        ("gzip", b"", (400, "invalid_encoding")),
    ],
)
async def test_a_body_that_cannot_be_decompressed_is_an_error(
    fetch: Fetch, encoding: str, body: bytes, expected: tuple[int, str]
) -> None:
    assert expected == failure(await fetch(ONE, body=body, headers={"Content-Encoding": encoding}))


async def test_a_multipart_body_is_refused(fetch: Fetch) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert (415, "unsupported_media_type") == failure(
        await fetch(ONE, body=b"--x--", headers=headers)
    )


@pytest.mark.parametrize(
    "refusal",
    [JournalFull, JournalBusy, JournalUnavailable, JournalClosed],
    ids=lambda each: each.code,
)
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("path", "body"), [(ONE, {"event_type": "c"}), (BATCH, [{"event_type": "c"}])]
)
async def test_a_refusal_of_the_journal_is_a_503_that_says_when_to_retry(
    fetch: Fetch, site: Site, refusal: type[Refusal], late: bool, path: str, body: object
) -> None:
    if late:
        site.sink.refused_late = refusal("no room", 17)
    else:
        site.sink.refused = refusal("no room", 17)
    response = await fetch(path, body=sent(body), headers={"Origin": "https://shop.example"})
    assert (503, refusal.code) == failure(response)
    assert "17" == response.headers["Retry-After"]
    assert "https://shop.example" == response.headers["Access-Control-Allow-Origin"]
    assert [] == site.sink.events


async def test_a_defect_is_a_500_with_a_fixed_text(
    fetch: Fetch, site: Site, monkeypatch: pytest.MonkeyPatch, expected_errors: list[str]
) -> None:
    expected_errors.append("request failed")

    def fail(_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(site.sink, "append", fail)
    response = await fetch(
        ONE, body=sent({"event_type": "c"}), headers={"Origin": "https://shop.example"}
    )
    assert (500, "internal_error") == failure(response)
    assert b"secret" not in response.body
    assert "https://shop.example" == response.headers["Access-Control-Allow-Origin"]


async def test_an_event_never_has_the_address_that_a_client_made_up() -> None:
    site = make_site()
    headers = [("X-Forwarded-For", "6.6.6.6"), ("X-Real-IP", "6.6.6.6")]
    assert 200 == (await send_raw(site, request("POST", ONE, headers, EVENT))).status
    assert "127.0.0.1" == site.sink.events[0]["ip_address"]


async def test_an_event_has_the_address_that_a_trusted_proxy_saw() -> None:
    site = make_site(trusted=["127.0.0.0/8", "10.0.0.0/8"])
    headers = [("X-Forwarded-For", "6.6.6.6, 192.0.2.9"), ("X-Forwarded-For", "10.0.0.1")]
    assert 200 == (await send_raw(site, request("POST", ONE, headers, EVENT))).status
    assert "192.0.2.9" == site.sink.events[0]["ip_address"]


async def test_a_preflight_grants_the_headers_that_were_requested() -> None:
    headers = [
        ("Origin", SHOP),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization,x-project-id"),
    ]
    response = await send_raw(make_site(), request("OPTIONS", ONE, headers))
    assert (204, b"") == (response.status, response.body)
    granted = response.headers["access-control-allow-headers"]
    assert {"authorization", "x-project-id"} == set(granted.lower().replace(" ", "").split(","))
    assert "POST" in response.headers["access-control-allow-methods"]
    assert 0 < int(response.headers["access-control-max-age"])
