"""Ids for events that came without one."""

import os
from collections.abc import Iterator
from uuid import UUID

_BYTES_EACH = 16
_BLOCK_IDS = 256


def random_ids() -> Iterator[str]:
    """Random UUIDs (RFC 9562, version 4) without end.

    The system's random bytes are fetched for many at once: each time is a system call.
    """
    while True:
        block = os.urandom(_BYTES_EACH * _BLOCK_IDS)
        for at in range(0, len(block), _BYTES_EACH):
            yield str(UUID(bytes=block[at : at + _BYTES_EACH], version=4))
