"""More clients than the process may have open files."""

import resource
import socket
import time
from pathlib import Path

from tests.support.objects import events_in, files
from tests.support.server_process import ServerProcess
from tests.support.waiting import wait_until


def test_more_clients_than_descriptors_cost_no_event(server: ServerProcess) -> None:
    server.start(FLUSH_INTERVAL="50ms")
    server.post({"event_id": "e0", "event_type": "c"})
    server.wait_until_delivered()
    used = len(list(Path(f"/proc/{server.pid}/fd").iterdir()))
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (used + 8, hard))
    port = int(server.url.rpartition(":")[2])
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(30)]
    server.wait_for("connections refused: too many are open")
    wait_until(lambda: sleeps(server.pid), lambda: "its event loop spins")
    for client in clients:
        client.close()
    assert [] == server.log("request failed")
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (hard, hard))
    assert server.post({"event_id": "e1", "event_type": "c"}).status_code == 200
    server.wait_until_delivered()
    assert {"e0", "e1"} == {event["event_id"] for event in events_in(files(server.store))}
    assert {"info", "warning"} == {line["level"] for line in server.log()}


def sleeps(pid: int) -> bool:
    """Return True if the event loop's thread sleeps at 50 looks in a row."""
    for _ in range(50):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state != "S":
            return False
        time.sleep(0.005)
    return True
