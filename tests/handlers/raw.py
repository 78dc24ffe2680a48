"""Requests as bytes, such as no client library sends, to a site of their own."""

from tests.handlers.server import Site
from tests.http1.raw_http import Response, exchange
from tests.http1.serving import serving


async def send_raw(site: Site, *pieces: bytes) -> Response:
    """Serve a site for one request, and return its response."""
    async with serving(site) as port:
        return await exchange(port, *pieces)


def raw_failure(response: Response) -> tuple[int, str]:
    """Return the status and the code of an error."""
    return response.status, response.json["error"]["code"]
