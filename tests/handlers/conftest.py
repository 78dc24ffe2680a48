from collections.abc import Callable
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse
from tornado.web import Application

from tests.handlers.server import Site, make_site


@pytest.fixture
def site() -> Site:
    return make_site()


@pytest.fixture
def app(site: Site) -> Application:
    return site.app


@pytest.fixture
def fetch(http_client: Any, base_url: str, io_loop: Any) -> Callable[..., HTTPResponse]:
    """Send a request and wait for its answer, whatever its status."""

    def send(path: str, method: str = "POST", **request: Any) -> HTTPResponse:
        async def call() -> HTTPResponse:
            answer: HTTPResponse = await http_client.fetch(
                base_url + path,
                method=method,
                raise_error=False,
                allow_nonstandard_methods=True,
                **request,
            )
            return answer

        response: HTTPResponse = io_loop.run_sync(call)
        return response

    return send
