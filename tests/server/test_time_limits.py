"""The settings that limit the time of a client."""

import json
import socket

from tests.support.server_process import ServerProcess
from tests.support.waiting import WAIT_S


def connect(server: ServerProcess) -> socket.socket:
    port = int(server.url.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)


def test_an_idle_connection_is_closed_after_the_time_that_is_set(server: ServerProcess) -> None:
    server.start(IDLE_TIMEOUT="1s")
    with connect(server) as idle:
        idle.sendall(b"GET /ready HTTP/1.1\r\nHost: test\r\n\r\n")
        assert idle.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"" == idle.recv(65536)


def test_a_body_below_the_rate_that_is_set_gets_a_408(server: ServerProcess) -> None:
    server.start(BODY_TIMEOUT="1s", BODY_MIN_RATE="1000000")
    with connect(server) as slow:
        head = b"POST /api/v1/events HTTP/1.1\r\nHost: test\r\nContent-Length: 99\r\n\r\n"
        slow.sendall(head + b" " * 50)
        received = b""
        while piece := slow.recv(65536):
            received += piece
    assert received.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert "request_timeout" == json.loads(received.partition(b"\r\n\r\n")[2])["error"]["code"]
    events = server.health()["events"]
    assert (1, 1) == (events["received"], events["refused"])
