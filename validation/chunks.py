"""Texts in chunks that are read together, each in a turn."""

from collections.abc import Iterable, Iterator

from validation.turns import TURN_BYTES

# A chunk in which one event is invalid, or that has no shape, is read event by event.
MAX_TEXTS = 64


def chunks(texts: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield all texts in their order, in lists of at most TURN_BYTES and MAX_TEXTS.

    A longer text is alone.
    """
    chunk: list[bytes] = []
    size = 0
    for text in texts:
        size += len(text)
        if chunk and (size > TURN_BYTES or len(chunk) == MAX_TEXTS):
            yield chunk
            chunk = []
            size = len(text)
        chunk.append(text)
    if chunk:
        yield chunk
