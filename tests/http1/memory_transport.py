"""A transport in memory, whose client reads everything at once."""

import asyncio
from typing import Any

from handlers.connection_errors import ConnectionErrors
from http1.connection import ClientConnection
from http1.direct import DirectWay
from tests.handlers.server import Site


class MemoryTransport(asyncio.Transport):
    """A transport that keeps what was `sent` to the client, and other calls by name."""

    def __init__(self, peer: str) -> None:
        super().__init__({"peername": (peer, 4711)})
        self.sent = b""
        self.calls: list[str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def write_eof(self) -> None:
        self.calls.append("eof")

    def abort(self) -> None:
        self.calls.append("abort")

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def connect(site: Site, transport: Any, direct: DirectWay | None = None) -> ClientConnection:
    """Return a connection of a site over a transport."""
    connection = ClientConnection(site.app, site.activity, ConnectionErrors(), direct)
    site.activity.add(connection)
    connection.connection_made(transport)
    return connection
