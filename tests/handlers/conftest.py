import socket
from collections.abc import Iterator
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse
from tornado.web import Application

from handlers.connection_errors import ConnectionErrors
from http1.server import CollectorServer
from http1.watchdog import TimeLimits
from tests.handlers.server import Fetch, Site, make_site

_CONNECTIONS = 100


@pytest.fixture
def site() -> Site:
    return make_site()


@pytest.fixture
def app(site: Site) -> Application:
    return site.app


@pytest.fixture
def http_server(
    io_loop: Any, _unused_port: tuple[socket.socket, int], site: Site
) -> Iterator[CollectorServer]:
    """Replace pytest-tornado's server by the one that production uses."""
    server = CollectorServer(
        site.app, site.activity, ConnectionErrors(), _CONNECTIONS, TimeLimits(), site.app.direct
    )
    server.add_sockets([_unused_port[0]])
    yield server
    server.stop()
    io_loop.run_sync(server.close_all_connections)


@pytest.fixture
def fetch(http_client: Any, base_url: str) -> Fetch:
    """Send a request and return its response, whatever its status."""

    async def send(path: str, method: str = "POST", **request: Any) -> HTTPResponse:
        response: HTTPResponse = await http_client.fetch(
            base_url + path,
            method=method,
            raise_error=False,
            allow_nonstandard_methods=True,
            **request,
        )
        return response

    return send
