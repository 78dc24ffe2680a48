"""A request's body on its way in: bounded, and unpacked if it is gzip."""

import zlib
from typing import NamedTuple

from handlers.errors import ApiError

_GZIP_CONTAINER = 31
_GZIP_NAMES = frozenset({"gzip", "x-gzip"})
_PLAIN_NAMES = frozenset({"", "identity"})

# Each member costs a copy of what follows it; no real client sends more than one.
_MAX_GZIP_MEMBERS = 32

# A body over the limit is still read, up to this, so that the client gets to see the 413
# instead of a broken connection.
DISCARDED_BYTES = 64 * 1024 * 1024

# Enough for dozens of the largest bodies at once, and a bound on the memory they take.
MAX_BUFFERED_BYTES = 256 * 1024 * 1024


class BodyBudget:
    """Bounds the bytes of all bodies that are held in memory; `left` are free."""

    def __init__(self, max_bytes: int = MAX_BUFFERED_BYTES) -> None:
        self.left = max_bytes

    def reserve(self, size: int) -> bool:
        """Reserve `size` bytes; False if there are none left."""
        if size > self.left:
            return False
        self.left -= size
        return True

    def release(self, size: int) -> None:
        """Release what was taken."""
        self.left += size


class BodyHeaders(NamedTuple):
    """What the headers say of the body."""

    content_type: str
    content_encoding: str
    content_length: int | None

    @property
    def is_gzip(self) -> bool:
        """Whether the body has to be unpacked."""
        return self.content_encoding in _GZIP_NAMES

    def error(self, max_bytes: int) -> ApiError | None:
        """Why the body cannot be taken, as far as the headers tell."""
        if self.content_type.startswith("multipart/"):
            message = "multipart bodies are not taken: send the event as JSON"
            return ApiError("unsupported_media_type", message)
        if not self.is_gzip and self.content_encoding not in _PLAIN_NAMES:
            message = (
                f"the Content-Encoding {self.content_encoding!r} is not taken: use gzip or none"
            )
            return ApiError("unsupported_encoding", message)
        if self.content_length is not None and self.content_length > max_bytes:
            return body_too_large(max_bytes)
        return None


def body_too_large(max_bytes: int) -> ApiError:
    """The 413 for a body over its limit, in bytes."""
    message = f"the body is over {max_bytes} bytes: send fewer events in one request"
    return ApiError("body_too_large", message)


def server_busy() -> ApiError:
    """The 503 for a body that there is no room for now."""
    message = "too many bodies are on their way at once"
    return ApiError("server_busy", message, retry_after_s=1)


def gunzip(packed: bytes, max_bytes: int) -> bytes:
    """The body inside a gzip file (RFC 1952), which may have several members.

    ApiError `body_too_large` if it is over `max_bytes`, `invalid_encoding` if it is no gzip or
    is cut short. Memory is bounded by `max_bytes`, whatever the compression.
    """
    pieces: list[bytes] = []
    room = max_bytes + 1
    for _ in range(_MAX_GZIP_MEMBERS):
        unpacker = zlib.decompressobj(_GZIP_CONTAINER)
        try:
            piece = unpacker.decompress(packed, room)
        except zlib.error as error:
            raise _not_gzip(str(error)) from None
        pieces.append(piece)
        room -= len(piece)
        if room == 0:
            raise body_too_large(max_bytes)
        if not unpacker.eof:
            raise _not_gzip("it is cut short")
        packed = unpacker.unused_data
        if not packed:
            return b"".join(pieces)
    raise _not_gzip(f"it has more than {_MAX_GZIP_MEMBERS} members")


def _not_gzip(cause: str) -> ApiError:
    return ApiError("invalid_encoding", f"the body is not valid gzip: {cause}")
