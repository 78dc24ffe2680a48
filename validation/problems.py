"""What is wrong with an event."""

from dataclasses import dataclass

_MAX_SHOWN_CHARS = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule: where in the event, and what is wrong.

    `path` is dotted, with indexes in brackets; it is empty for the event itself.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path or 'the event'} {self.message}"


def excerpt(text: str) -> str:
    """A client's text as it can stand in a message: short, and valid UTF-8."""
    if len(text) > _MAX_SHOWN_CHARS:
        text = f"{text[:_MAX_SHOWN_CHARS]}..."
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def kind_of(value: object) -> str:
    """What JSON calls a value, with its article."""
    if value is None:
        return "null"
    return _KINDS.get(type(value), "a number")


_KINDS = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
