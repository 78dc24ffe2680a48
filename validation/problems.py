"""Problems of an event, and the words for them in messages to clients."""

from dataclasses import dataclass

_MAX_SHOWN_CHARS = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """A broken rule: the place in the event and a message that continues a sentence about it.

    `path` is dotted, with indexes in brackets, such as `properties.items[3].price`; it is empty
    for the event itself.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path or 'the event'} {self.message}"


def excerpt(text: str) -> str:
    """Return a client's text as a message may quote it: at most 100 characters, valid UTF-8."""
    if len(text) > _MAX_SHOWN_CHARS:
        text = f"{text[:_MAX_SHOWN_CHARS]}..."
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def kind_of(value: object) -> str:
    """Return the name of a value's JSON type, with its article."""
    if value is None:
        return "null"
    return _KINDS.get(type(value), "a number")


_KINDS = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
