"""Load at a fixed rate, and the latency of each response since its request was due.

Latency counts from the time at which a request was due, not from the time at which it was sent:
a server that stops for a second delays the requests of that second too, and leaving them out
("coordinated omission") would hide it.
"""

import asyncio
import json
import sys
import time
from collections import deque
from typing import cast

import uvloop

_HEAD_END = b"\r\n\r\n"
_DRAIN_S = 10.0


class _Connection(asyncio.Protocol):
    """A connection that sends each request when it is due and the last response is complete."""

    def __init__(self, request: bytes, latencies: list[float]) -> None:
        self._request = request
        self._latencies = latencies
        self._due: deque[float] = deque()
        self._received = b""
        self.failures = 0
        self.last_response_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, due: float) -> None:
        """Send the request that is due, or queue it behind the one in flight."""
        self._due.append(due)
        if len(self._due) == 1:
            self._transport.write(self._request)

    @property
    def is_waiting(self) -> bool:
        """True while a response is missing."""
        return bool(self._due)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(_HEAD_END)
        if not found or len(rest) < _length(head):
            return
        self._received = b""
        self.failures += not head.startswith(b"HTTP/1.1 200")
        self.last_response_at = time.monotonic()
        self._latencies.append(self.last_response_at - self._due.popleft())
        if self._due:
            self._transport.write(self._request)


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])


async def paced(
    port: int, body: bytes, rate: float, seconds: float, connections: int
) -> dict[str, float]:
    """Send `rate` requests/s; return latencies in ms, responses/s and failures."""
    request = (
        b"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    opened = [
        (await loop.create_connection(lambda: _Connection(request, latencies), "127.0.0.1", port))[
            1
        ]
        for _ in range(connections)
    ]
    start = time.monotonic()
    for number in range(int(rate * seconds)):
        due = start + number / rate
        while (left := due - time.monotonic()) > 0:
            await asyncio.sleep(left)
        opened[number % connections].ask(due)
        if number % connections == 0:
            await asyncio.sleep(0)
    until = time.monotonic() + _DRAIN_S
    while any(each.is_waiting for each in opened) and time.monotonic() < until:
        await asyncio.sleep(0.01)
    seconds_used = max(each.last_response_at for each in opened) - start
    latencies.sort()
    return {
        "rate": rate,
        "answered": len(latencies),
        "throughput": len(latencies) / seconds_used,
        "failures": sum(each.failures for each in opened),
        **{f"p{each}": 1000 * _percentile(latencies, each) for each in (50, 90, 99)},
        "max": 1000 * latencies[-1],
    }


def _percentile(ordered: list[float], percent: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    result = uvloop.run(
        paced(
            given["port"],
            given["body"].encode(),
            given["rate"],
            given["seconds"],
            given["connections"],
        )
    )
    print(json.dumps(result))
