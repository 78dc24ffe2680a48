import resource
import socket
from typing import Any

import pytest

from http1.listener import Listener, connection_limit
from tests.support.waiting import WAIT_S


def listener(has_room: bool) -> Listener:
    sock = socket.create_server(("127.0.0.1", 0))
    listening = Listener.of(sock, lambda: has_room, lambda: b"refused")
    listening.setblocking(True)
    return listening


def connect(to: Listener) -> socket.socket:
    client = socket.create_connection(to.getsockname())
    client.settimeout(WAIT_S)
    return client


def test_a_connection_without_room_is_refused_and_closed() -> None:
    with listener(has_room=False) as full, connect(full) as client:
        with pytest.raises(ConnectionAbortedError):
            full.accept()
        assert (b"refused", b"") == (client.recv(1000), client.recv(1000))


def test_a_refused_client_that_has_sent_a_request_gets_the_response() -> None:
    with listener(has_room=False) as full, connect(full) as client:
        client.sendall(b"POST / HTTP/1.1\r\n\r\n")
        with pytest.raises(ConnectionAbortedError):
            full.accept()
        assert (b"refused", b"") == (client.recv(1000), client.recv(1000))


def test_a_client_gets_the_refusal_even_when_no_descriptor_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures = [OSError(24, "Too many open files")]
    accept = socket.socket.accept

    def failing(self: socket.socket) -> Any:
        if failures:
            raise failures.pop()
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", failing)
    with listener(has_room=True) as starved, connect(starved) as client:
        with pytest.raises(ConnectionAbortedError):
            starved.accept()
        assert b"refused" == client.recv(1000)
        with connect(starved):
            starved.accept()[0].close()


def test_clients_never_have_all_descriptors() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert 0 < connection_limit() < max(soft, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
