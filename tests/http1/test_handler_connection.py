"""The connection as Tornado's handlers use it."""

from dataclasses import dataclass, field

import pytest
from tornado.httputil import HTTPHeaders, ResponseStartLine

from http1.handler_connection import ConnectionContext, HandlerConnection

OK = ResponseStartLine("HTTP/1.1", 200, "OK")


@dataclass
class Calls:
    """A connection that keeps what is written to it."""

    written: list[object] = field(default_factory=list)
    ended: int = 0

    def write_response(
        self, status: int, reason: str, fields: list[tuple[str, str]], body: bytes
    ) -> None:
        self.written.append((status, reason, fields, body))

    def end_request(self) -> None:
        self.ended += 1


def connected() -> tuple[Calls, HandlerConnection]:
    calls = Calls()
    return calls, HandlerConnection(calls, ConnectionContext("192.0.2.1"))


async def test_a_response_is_written_whole_and_ends_its_request_once() -> None:
    calls, handler = connected()
    assert handler.write_headers(OK, HTTPHeaders({"A": "b"}), b"c").done()
    handler.finish()
    handler.finish()
    assert ([(200, "OK", [("A", "b")], b"c")], 1) == (calls.written, calls.ended)


async def test_a_response_in_two_pieces_is_a_defect() -> None:
    _, handler = connected()
    with pytest.raises(NotImplementedError):
        handler.write(b"")


async def test_a_handler_whose_client_has_gone_is_told_and_writes_nothing() -> None:
    calls, handler = connected()
    told: list[str] = []
    handler.set_close_callback(lambda: told.append("closed"))
    handler.abandon()
    assert handler.write_headers(OK, HTTPHeaders()).done()
    handler.finish()
    assert (["closed"], Calls()) == (told, calls)


async def test_a_handler_that_has_responded_is_not_told_of_the_end() -> None:
    _, handler = connected()
    told: list[str] = []
    handler.set_close_callback(lambda: told.append("closed"))
    handler.finish()
    handler.set_close_callback(None)
    handler.abandon()
    assert [] == told
