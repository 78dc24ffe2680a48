"""A process that sends prepared requests as fast as the server responds.

Each connection sends the next request when the response to its last one is complete.
"""

import gc
import json
import select
import socket
import sys
import time

from benchmarks.prepared import Load, Prepared

_READ_BYTES = 16 * 1024
_DRAIN_S = 30.0
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"Content-Length: "


class _Connection:
    """A connection with at most one request in flight."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.unsent: memoryview | None = None
        self.is_waiting = False
        self._received = b""

    def send(self, request: bytes) -> None:
        """Begin to send a request; what the socket does not take at once is `unsent`."""
        self.is_waiting = True
        sent = self.socket.send(request)
        if sent < len(request):
            self.unsent = memoryview(request)[sent:]

    def send_more(self) -> None:
        """Send as much of the `unsent` part as the socket takes."""
        if self.unsent is not None:
            self.unsent = self.unsent[self.socket.send(self.unsent) :] or None

    def receive(self) -> bool:
        """Read; return True if the response is complete, end the benchmark if it is no 200."""
        data = self.socket.recv(_READ_BYTES)
        if not data:
            sys.exit("the server closed a connection")
        if self._received:
            data = self._received + data
        head_bytes = data.find(_HEAD_END)
        if head_bytes < 0 or len(data) < head_bytes + len(_HEAD_END) + _length(data):
            self._received = data
            return False
        if not data.startswith(b"HTTP/1.1 200"):
            sys.exit(f"a request was refused: {data[:2000]!r}")
        self._received = b""
        self.is_waiting = False
        return True


def _length(response: bytes) -> int:
    begin = response.index(_LENGTH) + len(_LENGTH)
    return int(response[begin : response.index(b"\r", begin)])


class Sending:
    """One measurement: `rate` in requests/s during `seconds`, and the number of `responses`."""

    def __init__(self, load: Load) -> None:
        self._prepared = Prepared(load)
        self._poll = select.epoll()
        self._connections: dict[int, _Connection] = {}
        for _ in range(load.connections):
            opened = _Connection(load.port)
            self._connections[opened.socket.fileno()] = opened
            self._poll.register(opened.socket, select.EPOLLIN)
        self.responses = 0
        self.seconds = self.rate = 0.0

    def run(self) -> None:
        """Send until the requests or their time are over, and wait for the last responses."""
        try:
            self._measure()
            self._drain()
        finally:
            for each in self._connections.values():
                each.socket.close()
            self._poll.close()

    def _measure(self) -> None:
        time.sleep(max(0.0, self._prepared.start - time.time()))
        begun = time.perf_counter()
        is_sending = all(self._send(each) for each in self._connections.values())
        while is_sending and self._prepared.skip_passed(time.time()):
            is_sending = self._turn(sends_next=True)
        self.seconds = time.perf_counter() - begun
        self.rate = self.responses / self.seconds

    def _drain(self) -> None:
        until = time.monotonic() + _DRAIN_S
        while any(each.is_waiting for each in self._connections.values()):
            if time.monotonic() > until:
                sys.exit("some responses are missing")
            self._turn(sends_next=False)

    def _turn(self, *, sends_next: bool) -> bool:
        """Handle what the sockets report; return False if no requests are left."""
        are_left = True
        for number, event in self._poll.poll(0.1):
            connection = self._connections[number]
            if event & select.EPOLLOUT:
                connection.send_more()
                self._watch(connection)
            if event & ~select.EPOLLOUT and connection.receive():
                self.responses += 1
                are_left = are_left and sends_next and self._send(connection)
        return are_left

    def _send(self, connection: _Connection) -> bool:
        request = self._prepared.next()
        if request is None:
            return False
        connection.send(request)
        if connection.unsent is not None:
            self._watch(connection)
        return True

    def _watch(self, connection: _Connection) -> None:
        wanted = select.EPOLLIN if connection.unsent is None else select.EPOLLIN | select.EPOLLOUT
        self._poll.modify(connection.socket, wanted)


def main() -> None:
    """Send the load that the command line describes, and print the result as JSON."""
    sending = Sending(Load.from_text(sys.argv[1]))
    # A collection would look at nothing but what was prepared.
    gc.freeze()
    gc.disable()
    sending.run()
    result = {"rate": sending.rate, "responses": sending.responses, "seconds": sending.seconds}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
