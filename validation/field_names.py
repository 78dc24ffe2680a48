"""Names of an event's own fields that readers of the data set would take for other fields.

Athena, Spark and DuckDB ignore case in names. One stored event in which two top-level names differ
only in case, or with an empty name, makes their plain readers refuse the whole data set.
"""

from collections.abc import Iterable, Iterator

from validation.fields import CLIENT_FIELDS, FIELDS, SERVER_FIELDS
from validation.problems import Problem, excerpt

_READERS = "Athena, Spark and DuckDB, which ignore case"
_INTO_PROPERTIES = "or move it into properties"
_DOT_ABOVE = "\N{COMBINING DOT ABOVE}"


def folded(name: str) -> str:
    """Return a text that is equal for all names that any reader takes for the same.

    It covers ASCII and Unicode case folding, and Java's toLowerCase and equalsIgnoreCase, which
    compares upper-case letters too and takes a dotted capital I for an i.
    """
    return name.upper().casefold().replace(f"i{_DOT_ABOVE}", "i")


_KNOWN = {folded(each.name): each.name for each in FIELDS}


def name_problems(names: Iterable[str], seen: dict[str, str] | None = None) -> Iterator[Problem]:
    """Yield the problems of the names of an event's fields, which are all different.

    An event of many fields is checked part by part: each call has the same `seen`, empty at first.
    """
    seen = {} if seen is None else seen
    for name in names:
        if name in CLIENT_FIELDS or name in SERVER_FIELDS:
            continue
        if not name:
            yield Problem("", f"has a field with an empty name: give it a name, {_INTO_PROPERTIES}")
            continue
        key = name.lower() if name.isascii() else folded(name)
        other = seen.setdefault(key, name)
        if key in _KNOWN:
            yield Problem(excerpt(name), _clash_with_known(_KNOWN[key]))
        elif other != name:
            yield Problem(excerpt(name), _clash(other, "rename one of them"))


def _clash_with_known(known: str) -> str:
    advice = "rename it" if known in SERVER_FIELDS else f"send it as {known}"
    return _clash(known, advice)


def _clash(other: str, advice: str) -> str:
    return f"is the same name as {excerpt(other)} to {_READERS}: {advice}, {_INTO_PROPERTIES}"
