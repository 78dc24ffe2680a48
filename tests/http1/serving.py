"""The real server, for as long as a test needs it."""

import contextlib
import socket
from collections.abc import AsyncIterator

from handlers.connection_errors import ConnectionErrors
from http1.server import CollectorServer
from http1.watchdog import TimeLimits
from tests.handlers.server import Site


@contextlib.asynccontextmanager
async def serving(site: Site, max_connections: int = 10) -> AsyncIterator[int]:
    """Serve a site on a free port, which is the value of the context."""
    server = CollectorServer(
        site.app, site.activity, ConnectionErrors(), max_connections, TimeLimits()
    )
    listening = socket.create_server(("127.0.0.1", 0))
    port: int = listening.getsockname()[1]
    server.add_sockets([listening])
    try:
        yield port
    finally:
        server.stop()
        await server.close_all_connections()
