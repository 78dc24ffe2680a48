"""HTTP as bytes, such as no client library sends, over real sockets."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

from tests.support.waiting import WAIT_S


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """A connection to a server. Every wait is bounded."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def response(self) -> Response:
        """Read a response, its body by its Content-Length."""
        async with asyncio.timeout(WAIT_S):
            return await read_response(self.reader)

    async def rest(self) -> bytes:
        """Read until the server closes the connection."""
        async with asyncio.timeout(WAIT_S):
            return await self.reader.read()

    async def ask(self, data: bytes) -> Response:
        self.send(data)
        return await self.response()

    def abort(self) -> None:
        """Reset the connection."""
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[Client]:
    client = Client(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield client
    finally:
        client.writer.close()


async def exchange(port: int, *pieces: bytes) -> Response:
    """Send bytes on a new connection, one piece after the other, and read one response."""
    async with connected(port) as client:
        for piece in pieces:
            client.send(piece)
            await client.writer.drain()
        return await client.response()


async def read_response(reader: asyncio.StreamReader, has_body: bool = True) -> Response:
    """Read a response, its body by its Content-Length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = (line.split(": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in fields}
    length = int(headers.get("content-length", "0")) if has_body else 0
    return Response(int(head[0].split()[1]), headers, await reader.readexactly(length))


def request(
    method: str, path: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> bytes:
    """Build a request as bytes, with a Content-Length unless another framing is given."""
    lines = [f"{method} {path} HTTP/1.1", "Host: test", *(f"{k}: {v}" for k, v in headers)]
    framed = {"content-length", "transfer-encoding"} & {name.lower() for name, _ in headers}
    if not framed:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
