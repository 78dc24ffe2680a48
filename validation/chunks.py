"""Texts in chunks that are read together, each in a turn."""

from collections.abc import Iterable, Iterator

from validation.turns import TURN_BYTES

# A chunk in which one event is invalid is read a second time, event by event.
_MAX_TEXTS = 64


def chunks(texts: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield all texts in their order, in lists of at most TURN_BYTES; a longer text is alone."""
    chunk: list[bytes] = []
    size = 0
    for text in texts:
        size += len(text)
        if chunk and (size > TURN_BYTES or len(chunk) == _MAX_TEXTS):
            yield chunk
            chunk = []
            size = len(text)
        chunk.append(text)
    if chunk:
        yield chunk
