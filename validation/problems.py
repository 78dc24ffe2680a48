"""Problems of an event, and the words for them in messages to clients.

A message is bounded, whatever the client sent: it quotes at most 100 characters of a text, a path
has at most MAX_PATH_CHARS, an event at most MAX_PROBLEMS problems, and the sentence about all of
them at most MAX_MESSAGE_CHARS. What is left out is reported by its number.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

MAX_PROBLEMS = 20
MAX_PATH_CHARS = 200
MAX_MESSAGE_CHARS = 1000
_MAX_SHOWN_CHARS = 100
_CUT = "..."


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


@dataclass(frozen=True, slots=True)
class Problems:
    """The first MAX_PROBLEMS problems of an event, and how many `more` there are.

    `fields` are the fields that problems of the event's JSON are in, those among `more` included.
    """

    first: tuple[Problem, ...] = ()
    more: int = 0
    fields: frozenset[str] = frozenset()

    def followed_by(self, others: Iterable[Problem]) -> "Problems":
        """Return these problems and then others."""
        rest = iter(others)
        added = tuple(islice(rest, MAX_PROBLEMS - len(self.first)))
        return Problems(self.first + added, self.more + sum(1 for _ in rest), self.fields)

    def summary(self) -> str:
        """Return one sentence about all of them."""
        shown: list[str] = []
        room = MAX_MESSAGE_CHARS
        for each in self.first:
            text = str(each)
            room -= len(text)
            if room < 0:
                break
            shown.append(text)
        left_out = len(self.first) - len(shown) + self.more
        return "; ".join(shown) + (f"; and {left_out} more" if left_out else "")


NO_PROBLEMS = Problems()


def path_of(keys: Iterable[str | int]) -> str:
    """Return the path to a value: `keys` lead to it from the event, an int for an array's item.

    The middle of a long path is left out.
    """
    parts: list[str] = []
    for key in keys:
        if isinstance(key, int):
            parts.append(f"[{key}]")
        else:
            parts.append(f".{excerpt(key)}" if parts else excerpt(key))
    path = "".join(parts)
    if len(path) <= MAX_PATH_CHARS:
        return path
    half = (MAX_PATH_CHARS - len(_CUT)) // 2
    return f"{path[:half]}{_CUT}{path[-half:]}"


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
