"""Request bodies: limits on their size and on the memory they take, and gzip."""

import re
import zlib
from typing import NamedTuple

from handlers.errors import ApiError
from handlers.head import Facts
from validation.problems import excerpt

_LENGTH = re.compile(r"[0-9]{1,18}")
_GZIP_CONTAINER = 31
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_NAMES = frozenset({"gzip", "x-gzip"})
_PLAIN_NAMES = frozenset({"", "identity"})

# Each member costs a copy of the rest of the body; no real client sends more than one.
_MAX_GZIP_MEMBERS = 32

# A body over its limit is still read up to this size, so that the client sees the 413 instead
# of a broken connection.
DISCARDED_BYTES = 64 * 1024 * 1024

# Enough for dozens of the largest bodies at once.
MAX_BUFFERED_BYTES = 256 * 1024 * 1024


class BodyBudget:
    """The bound on the bytes of all bodies that are held in memory; `left` bytes are free."""

    def __init__(self, max_bytes: int = MAX_BUFFERED_BYTES) -> None:
        self.left = max_bytes

    def reserve(self, size: int) -> bool:
        """Reserve `size` bytes; False if there are fewer left."""
        if size > self.left:
            return False
        self.left -= size
        return True

    def release(self, size: int) -> None:
        """Release `size` reserved bytes."""
        self.left += size


class BodyHeaders(NamedTuple):
    """The header fields that describe a body; `content_length` is None if it is not known."""

    content_type: str
    content_encoding: str
    content_length: int | None

    @classmethod
    def of(cls, facts: Facts) -> "BodyHeaders":
        """Return those of a request."""
        length = facts.content_length or ""
        return cls(
            (facts.content_type or "").strip().lower(),
            (facts.content_encoding or "").strip().lower(),
            int(length) if _LENGTH.fullmatch(length) else None,
        )

    @property
    def is_gzip(self) -> bool:
        """True if the headers announce gzip."""
        return self.content_encoding in _GZIP_NAMES

    def error(self, max_bytes: int) -> ApiError | None:
        """Return the error that the headers alone make certain, or None."""
        if self.content_type.startswith("multipart/"):
            message = "multipart bodies are not supported: send the event as JSON"
            return ApiError("unsupported_media_type", message)
        if not self.is_gzip and self.content_encoding not in _PLAIN_NAMES:
            name = excerpt(self.content_encoding)
            message = f"the Content-Encoding {name!r} is not supported: use gzip or none"
            return ApiError("unsupported_encoding", message)
        if self.content_length is not None and self.content_length > max_bytes:
            return body_too_large(max_bytes)
        return None


def body_too_large(max_bytes: int) -> ApiError:
    """Return the 413 for a body of more than `max_bytes`."""
    message = f"the body is larger than {max_bytes} bytes: send fewer events per request"
    return ApiError("body_too_large", message)


def server_busy() -> ApiError:
    """Return the 503 for a body for which no memory is left now."""
    message = "the server holds too many request bodies: retry after the Retry-After delay"
    return ApiError("server_busy", message, retry_after_s=1)


def is_gzip(body: bytes) -> bool:
    """Return True if a body begins as gzip files do, which no JSON does."""
    return body.startswith(_GZIP_MAGIC)


def gunzip(compressed: bytes, max_bytes: int) -> bytes:
    """Decompress a gzip file (RFC 1952), which may have several members.

    Raises ApiError: `body_too_large` if the result is larger than `max_bytes`, `invalid_encoding`
    if the file is not gzip or is truncated. Memory is bounded by `max_bytes`, whatever the
    compression ratio.
    """
    parts: list[bytes] = []
    room = max_bytes + 1
    for _ in range(_MAX_GZIP_MEMBERS):
        decompressor = zlib.decompressobj(_GZIP_CONTAINER)
        try:
            part = decompressor.decompress(compressed, room)
        except zlib.error as error:
            raise _not_gzip(str(error)) from None
        parts.append(part)
        room -= len(part)
        if room == 0:
            raise body_too_large(max_bytes)
        if not decompressor.eof:
            raise _not_gzip("it is truncated")
        compressed = decompressor.unused_data
        if not compressed:
            return b"".join(parts)
    raise _not_gzip(f"it has more than {_MAX_GZIP_MEMBERS} members")


def _not_gzip(cause: str) -> ApiError:
    return ApiError(
        "invalid_encoding",
        f"the body is not valid gzip ({cause}): compress it whole, or send it without gzip",
    )
