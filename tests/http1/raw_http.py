"""HTTP as bytes over a real socket, for what no client library would send."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_WAIT_S = 30.0


@dataclass
class Answer:
    """A response that came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def exchange(port: int, *pieces: bytes) -> Answer:
    """Send bytes on a new connection, one piece after the other, and read one answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(_WAIT_S):
            return await read_answer(reader)
    finally:
        writer.close()


async def read_answer(reader: asyncio.StreamReader, has_body: bool = True) -> Answer:
    """Read one answer, its body by its length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = (line.split(": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in fields}
    length = int(headers.get("content-length", "0")) if has_body else 0
    return Answer(int(head[0].split()[1]), headers, await reader.readexactly(length))


def request(
    method: str, path: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> bytes:
    """A request as bytes; it has a Content-Length unless another framing is given."""
    lines = [f"{method} {path} HTTP/1.1", "Host: test", *(f"{k}: {v}" for k, v in headers)]
    framed = {"content-length", "transfer-encoding"} & {name.lower() for name, _ in headers}
    if not framed:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
