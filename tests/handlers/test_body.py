"""Limits on request bodies, and over real sockets: a response, not a dropped connection."""

import asyncio
import gzip
from typing import Any

import pytest

from handlers.body import DISCARDED_BYTES, BodyBudget, BodyHeaders, gunzip
from handlers.errors import ApiError
from tests.handlers.raw import raw_failure, send_raw
from tests.handlers.server import EVENT, MAX_BODY_BYTES, ONE, SHOP, Site, make_site
from tests.http1.raw_http import exchange, read_response, request
from tests.support.waiting import until

BIG = MAX_BODY_BYTES * 20


def code(error: ApiError | None) -> str | None:
    return None if error is None else error.kind.code


def test_a_budget_is_never_exceeded() -> None:
    budget = BodyBudget(10)
    assert budget.reserve(7)
    assert not budget.reserve(4)
    assert 3 == budget.left
    assert budget.reserve(3)
    assert 0 == budget.left


def test_released_bytes_can_be_reserved_again() -> None:
    budget = BodyBudget(10)
    assert budget.reserve(10)
    budget.release(10)
    assert 10 == budget.left
    assert budget.reserve(10)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (BodyHeaders("application/json", "", 100), None),
        (BodyHeaders("", "identity", None), None),
        (BodyHeaders("text/plain", "gzip", 100), None),
        (BodyHeaders("text/plain", "x-gzip", 100), None),
        (BodyHeaders("", "", 101), "body_too_large"),
        (BodyHeaders("", "gzip", 101), "body_too_large"),
        (BodyHeaders("", "br", 1), "unsupported_encoding"),
        (BodyHeaders("", "gzip, gzip", 1), "unsupported_encoding"),
        (BodyHeaders("multipart/form-data; boundary=x", "", 1), "unsupported_media_type"),
    ],
)
def test_the_headers_alone_can_rule_a_body_out(headers: BodyHeaders, expected: str | None) -> None:
    assert expected == code(headers.error(100))


def test_the_members_of_a_gzip_file_are_joined() -> None:
    assert b"abcdef" == gunzip(gzip.compress(b"abc") + gzip.compress(b"def"), 6)


@pytest.mark.parametrize(
    ("compressed", "expected"),
    [
        (b"", "invalid_encoding"),
        (b"{}", "invalid_encoding"),
        (gzip.compress(b"abc")[:-1], "invalid_encoding"),
        (gzip.compress(b"abc") + b"garbage", "invalid_encoding"),
        (gzip.compress(b"") * 33, "invalid_encoding"),
        (gzip.compress(b"a" * 101), "body_too_large"),
        (gzip.compress(b"a" * 60) + gzip.compress(b"a" * 60), "body_too_large"),
    ],
    ids=["empty", "JSON", "truncated", "garbage after it", "33 members", "large", "large in sum"],
)
def test_a_body_that_cannot_be_decompressed_has_its_error(compressed: bytes, expected: str) -> None:
    with pytest.raises(ApiError) as raised:
        gunzip(compressed, 100)
    assert expected == code(raised.value)


def chunked(size: int, chunk_bytes: int = 8192) -> list[bytes]:
    head = request("POST", ONE, [("Transfer-Encoding", "chunked"), ("Origin", SHOP)])
    chunk = f"{chunk_bytes:x}\r\n".encode() + b"x" * chunk_bytes + b"\r\n"
    return [head, *[chunk] * (size // chunk_bytes), b"0\r\n\r\n"]


async def test_a_body_over_the_limit_is_read_before_the_response() -> None:
    site = make_site()
    response = await send_raw(site, request("POST", ONE, [("Origin", SHOP)], b"x" * BIG))
    assert (413, "body_too_large") == raw_failure(response)
    assert SHOP == response.headers["access-control-allow-origin"]
    assert [] == site.sink.events


async def test_a_chunked_body_over_the_limit_is_a_413_too() -> None:
    response = await send_raw(make_site(), *chunked(BIG))
    assert (413, "body_too_large") == raw_failure(response)
    assert SHOP == response.headers["access-control-allow-origin"]


async def test_a_chunked_body_is_read() -> None:
    site = make_site()
    head = request("POST", ONE, [("Transfer-Encoding", "chunked")])
    chunks = [b"5\r\n", EVENT[:5], b"\r\n", b"d\r\n", EVENT[5:], b"\r\n0\r\n\r\n"]
    assert 200 == (await send_raw(site, head, *chunks)).status
    assert 1 == len(site.sink.events)


async def test_a_connection_stays_usable_after_a_413(http_server: Any, http_port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", http_port)
    statuses = []
    for body in (b"x" * BIG, EVENT):
        writer.write(request("POST", ONE, [], body))
        statuses.append((await read_response(reader)).status)
    writer.close()
    assert [413, 200] == statuses


async def test_a_client_that_waits_for_100_continue_gets_the_413_at_once() -> None:
    headers = [("Expect", "100-continue"), ("Content-Length", str(BIG)), ("Origin", SHOP)]
    response = await send_raw(make_site(), request("POST", ONE, headers))
    assert (413, "body_too_large") == raw_failure(response)
    assert SHOP == response.headers["access-control-allow-origin"]


async def test_a_client_that_waits_for_100_continue_gets_it(
    http_server: Any, http_port: int
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", http_port)
    headers = [("Expect", "100-continue"), ("Content-Length", str(len(EVENT)))]
    writer.write(request("POST", ONE, headers))
    assert b"HTTP/1.1 100 Continue\r\n\r\n" == await reader.readuntil(b"\r\n\r\n")
    writer.write(EVENT)
    assert 200 == (await read_response(reader)).status
    writer.close()


async def test_a_body_too_large_to_be_read_at_all_gets_its_response_at_once() -> None:
    headers = [("Content-Length", str(10 * DISCARDED_BYTES)), ("Origin", SHOP)]
    response = await send_raw(make_site(), request("POST", ONE, headers))
    assert (413, "body_too_large") == raw_failure(response)
    assert "close" == response.headers["connection"].lower()
    assert SHOP == response.headers["access-control-allow-origin"]


async def test_a_content_length_of_many_digits_is_no_defect(
    http_server: Any, http_port: int
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", http_port)
    writer.write(request("POST", ONE, [("Content-Length", "9" * 5000)]))
    received = await reader.read()
    writer.close()
    assert b" 500 " not in received


async def test_the_memory_of_a_body_is_free_after_its_response(
    http_server: Any, http_port: int, site: Site
) -> None:
    for body in (EVENT, b"nonsense", b"x" * BIG):
        await exchange(http_port, request("POST", ONE, [], body))
        assert BodyBudget().left == site.budget.left


async def test_the_memory_of_half_a_body_is_free_after_its_client_disconnected(
    http_server: Any, http_port: int, site: Site
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", http_port)
    writer.write(request("POST", ONE, [("Content-Length", "100")], b"x" * 99))
    await until(lambda: site.budget.left != BodyBudget().left)
    writer.close()
    await until(lambda: not site.activity.in_flight)
    assert BodyBudget().left == site.budget.left
