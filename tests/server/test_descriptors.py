"""Too many open files."""

import os
import resource
import socket
import time
from pathlib import Path

from tests.support.objects import events_in, files
from tests.support.server_process import ServerProcess


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
    before = cpu_seconds(server.pid)
    time.sleep(0.5)
    assert cpu_seconds(server.pid) - before < 0.4  # it does not spin
    for client in clients:
        client.close()
    assert [] == server.log("request failed")
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (hard, hard))
    assert server.post({"event_id": "e1", "event_type": "c"}).status_code == 200
    server.wait_until_delivered()
    assert {"e0", "e1"} == {event["event_id"] for event in events_in(files(server.store))}
    assert {"info", "warning"} == {line["level"] for line in server.log()}


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
