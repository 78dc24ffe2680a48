"""The direct way of a request: from the connection to the application and back, without Tornado.

A plain POST that has arrived whole needs none of what a RequestHandler is for, and to create one
takes longer than all that the application does. The connection offers it to a `DirectWay` first.
Every other request, and each that the direct way declines, goes to its handler as if it had not
been offered.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from http1.request_queue import Request

# They change how a request is read, or what its client waits for.
_UNUSUAL = frozenset({b"expect", b"transfer-encoding", b"upgrade", b"trailer"})

# Of the forms that Tornado accepts, the usual one.
_HOST = re.compile(rb"[A-Za-z0-9.-]{1,255}(?::[0-9]{1,5})?")


class PlainPost(NamedTuple):
    """A POST whose body has arrived whole, with an ordinary head.

    `target` is the request target, `peer` the address of the client's socket; `fields` has the
    header fields by their names in lower case, each of which occurs once.
    """

    target: str
    fields: Mapping[bytes, bytes]
    body: bytes
    peer: str


# The status, the header fields except `Connection`, and the body of a response.
Respond = Callable[[int, list[tuple[str, str]], bytes], None]


class DirectWay(Protocol):
    """The port through which an application takes plain requests directly."""

    def __call__(self, request: PlainPost, respond: Respond) -> bool:
        """Take a request: return True, and call `respond` once, in a later turn of the event loop.

        Or decline it: return False, and have done nothing; its handler gets the request then.
        `respond` does nothing if the client has gone.
        """


def plain_post(request: Request, peer: str) -> PlainPost | None:
    """Return a request as a PlainPost if it is one, else None."""
    line, fields = request.start_line, request.fields
    if not request.is_complete or line.method != "POST" or line.version != "HTTP/1.1":
        return None
    by_name = fields.by_name
    if not (fields.are_unique and _UNUSUAL.isdisjoint(by_name)):
        return None
    if _HOST.fullmatch(by_name.get(b"host", b"")) is None:
        return None
    return PlainPost(line.path, by_name, b"".join(request.body), peer)
