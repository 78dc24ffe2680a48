"""The real server, for as long as a test needs it."""

import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from handlers.connection_errors import ConnectionErrors
from http1.connection import ClientConnection
from http1.server import CollectorServer
from http1.watchdog import TimeLimits
from tests.handlers.server import Site


@contextlib.asynccontextmanager
async def serving(site: Site, max_connections: int = 10) -> AsyncIterator[int]:
    """Serve a site on a free port, which is the value of the context."""
    server = CollectorServer(
        site.app, site.activity, ConnectionErrors(), max_connections, TimeLimits(), site.app.direct
    )
    listening = socket.create_server(("127.0.0.1", 0))
    port: int = listening.getsockname()[1]
    server.add_sockets([listening])
    try:
        yield port
    finally:
        server.stop()
        await server.close_all_connections()


def record_received(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return the list of the pieces in which the server receives bytes from now on."""
    received: list[bytes] = []
    data_received = ClientConnection.data_received

    def recording(self: ClientConnection, data: bytes) -> None:
        received.append(data)
        data_received(self, data)

    monkeypatch.setattr(ClientConnection, "data_received", recording)
    return received
