"""Bodies over their limit, over real sockets: an answer, not a dropped connection."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from handlers.body import DISCARDED_BYTES
from tests.handlers.server import MAX_BODY_BYTES, Site, make_site
from tests.handlers.test_contract import EVENT, ONE, SHOP, error_code, on_a_site
from tests.http1.raw_http import Answer, exchange, read_answer, request
from tests.http1.serving import serving

Exchange = Callable[..., Answer]


@pytest.fixture
def send(http_server: Any, http_port: int, io_loop: Any) -> Exchange:
    """Send bytes and read an answer."""
    return lambda *pieces: io_loop.run_sync(lambda: exchange(http_port, *pieces))


BIG = MAX_BODY_BYTES * 20


def chunked(size: int, piece: int = 8192) -> list[bytes]:
    head = request("POST", ONE, [("Transfer-Encoding", "chunked"), ("Origin", SHOP)])
    chunk = f"{piece:x}\r\n".encode() + b"x" * piece + b"\r\n"
    return [head, *[chunk] * (size // piece), b"0\r\n\r\n"]


def test_a_body_over_the_limit_is_read_and_then_answered(send: Exchange, site: Site) -> None:
    answer = send(request("POST", ONE, [("Origin", SHOP)], b"x" * BIG))
    assert (413, "body_too_large") == error_code(answer)
    assert SHOP == answer.headers["access-control-allow-origin"]
    assert [] == site.sink.events


def test_a_chunked_body_over_the_limit_is_a_413_too(send: Exchange) -> None:
    answer = send(*chunked(BIG))
    assert (413, "body_too_large") == error_code(answer)
    assert SHOP == answer.headers["access-control-allow-origin"]


def test_a_chunked_body_is_read(send: Exchange, site: Site) -> None:
    head = request("POST", ONE, [("Transfer-Encoding", "chunked")])
    assert (
        200
        == send(head, b"5\r\n", EVENT[:5], b"\r\n", b"d\r\n", EVENT[5:], b"\r\n0\r\n\r\n").status
    )
    assert 1 == len(site.sink.events)


def test_a_connection_goes_on_after_a_413(http_server: Any, http_port: int, io_loop: Any) -> None:
    async def call() -> list[int]:
        reader, writer = await asyncio.open_connection("127.0.0.1", http_port)
        statuses = []
        for body in (b"x" * BIG, EVENT):
            writer.write(request("POST", ONE, [], body))
            statuses.append((await read_answer(reader)).status)
        writer.close()
        return statuses

    assert [413, 200] == io_loop.run_sync(call)


def test_a_client_that_waits_for_100_continue_gets_the_413_at_once(send: Exchange) -> None:
    headers = [("Expect", "100-continue"), ("Content-Length", str(BIG)), ("Origin", SHOP)]
    answer = send(request("POST", ONE, headers))
    assert (413, "body_too_large") == error_code(answer)
    assert SHOP == answer.headers["access-control-allow-origin"]


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(
    http_server: Any, http_port: int, io_loop: Any
) -> None:
    async def call() -> tuple[bytes, int]:
        reader, writer = await asyncio.open_connection("127.0.0.1", http_port)
        headers = [("Expect", "100-continue"), ("Content-Length", str(len(EVENT)))]
        writer.write(request("POST", ONE, headers))
        interim = await reader.readuntil(b"\r\n\r\n")
        writer.write(EVENT)
        answer = await read_answer(reader)
        writer.close()
        return interim, answer.status

    assert (b"HTTP/1.1 100 Continue\r\n\r\n", 200) == io_loop.run_sync(call)


def test_a_body_too_large_to_be_read_at_all_is_answered_at_once(io_loop: Any) -> None:
    headers = [("Content-Length", str(10 * DISCARDED_BYTES)), ("Origin", SHOP)]
    answer = on_a_site(io_loop, make_site(), request("POST", ONE, headers))
    assert (413, "body_too_large") == error_code(answer)
    assert "close" == answer.headers["connection"].lower()
    assert SHOP == answer.headers["access-control-allow-origin"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", ONE), ("POST", "/health"), ("PUT", ONE), ("GET", "/health"), ("POST", "/nowhere")],
)
def test_a_chunked_body_that_never_ends_is_cut_off(
    io_loop: Any, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    monkeypatch.setattr("handlers.base.DISCARDED_BYTES", 100_000)
    head = request(method, path, [("Transfer-Encoding", "chunked"), ("Origin", SHOP)])
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    answer = on_a_site(io_loop, make_site(), head, *[chunk] * 20)
    assert answer.status in {413, 405, 404}
    assert answer.status != 413 or "close" == answer.headers["connection"].lower()
    assert answer.headers["x-request-id"] == answer.json["request_id"]


def test_a_content_length_of_many_digits_is_no_defect(io_loop: Any) -> None:
    headers = [("Content-Length", "9" * 5000)]

    async def call() -> bytes:
        async with serving(make_site()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request("POST", ONE, headers))
            told = await reader.read()
            writer.close()
            return told

    assert b" 500 " not in io_loop.run_sync(call)
