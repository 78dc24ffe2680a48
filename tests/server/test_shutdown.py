"""A shutdown under load: clients that keep their connections lose neither one nor a response."""

import itertools
import random
import signal
import socket
import threading
import time
from dataclasses import dataclass, field

import pytest

from tests.support.objects import events_in, files
from tests.support.server_process import ServerProcess
from tests.support.waiting import WAIT_S, wait_until

CLIENTS = 4
MAX_PAUSE_S = 0.010


@dataclass
class Client:
    """A client that sends on one connection until a response says that it is the last one."""

    number: int
    port: int
    version: str = "1.1"
    responses: list[str] = field(default_factory=list)
    failure: str | None = None

    def run(self) -> None:
        chance = random.Random()
        with socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_S) as sock:
            for count in itertools.count():
                time.sleep(chance.uniform(0, MAX_PAUSE_S))
                event_id = f"c{self.number}-{count}"
                try:
                    head = self._ask(sock, event_id)
                except OSError as error:
                    self.failure = f"{event_id}: {error!r}"
                    return
                if not head.startswith("http/1.1 200"):
                    self.failure = f"{event_id}: {head!r}"
                    return
                self.responses.append(event_id)
                if "\r\nconnection: close\r\n" in head:
                    return

    def _ask(self, sock: socket.socket, event_id: str) -> str:
        body = f'{{"event_type": "c", "event_id": "{event_id}"}}'
        keep = "Connection: keep-alive\r\n" if self.version == "1.0" else ""
        sock.sendall(
            f"POST /api/v1/events HTTP/{self.version}\r\nHost: test\r\n{keep}"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        received = b""
        while b"\r\n\r\n" not in received or not received.endswith(b"}\n"):
            piece = sock.recv(65536)
            if not piece:
                raise ConnectionError(f"closed after {received!r}")
            received += piece
        return received.decode().lower()


def port_of(server: ServerProcess) -> int:
    return int(server.url.rpartition(":")[2])


def stop_under_load(server: ServerProcess, version: str) -> None:
    server.start()
    port = port_of(server)
    clients = [Client(number, port, version) for number in range(CLIENTS)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    wait_until(lambda: all(len(client.responses) > 20 for client in clients))
    assert 0 == server.stop()
    for thread in threads:
        thread.join()
    assert [] == [client.failure for client in clients if client.failure is not None]
    sent = {event_id for client in clients for event_id in client.responses}
    assert sent <= {event["event_id"] for event in events_in(files(server.store))}


@pytest.mark.parametrize("version", ["1.1", "1.0", "1.1"])
def test_a_shutdown_under_load_resets_no_request(server: ServerProcess, version: str) -> None:
    stop_under_load(server, version)


def test_a_server_serves_on_until_load_balancers_have_noticed(server: ServerProcess) -> None:
    server.start(SHUTDOWN_DELAY="1h", FLUSH_INTERVAL="1h")
    assert 200 == server.get("/ready").status_code
    server.send_signal(signal.SIGTERM)
    server.wait_for("shutdown: not ready")
    assert 503 == server.get("/ready").status_code
    assert 200 == server.post({"event_type": "c"}).status_code

    def has_ended() -> bool:
        server.send_signal(signal.SIGTERM)
        return not server.is_running

    wait_until(has_ended)
