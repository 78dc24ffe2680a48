"""The page that describes the corpora.

.venv/bin/python -m benchmarks.corpora.page >benchmarks/corpora/README.md
"""

from collections.abc import Iterator

from benchmarks.corpora.bodies import Bodies
from benchmarks.corpora.corpus import CORPORA

_SENT_AT = 1_795_455_000.0  # 2026-11-23T17:30:00Z
_HEAD = """# Corpora

Events as real senders write them, for `make bench` and for the tests of the fast path. A seed
determines everything except the times, which are relative to the time of sending, so that they are
valid whenever the bodies are sent. Every body has event ids of its own.

    .venv/bin/python -m benchmarks.corpora sdk --size 10 --bodies 3 --seed 7

prints bodies as they are sent now, and `benchmarks.corpora.bodies.Bodies` makes them in Python.
`python -m benchmarks.corpora.page` writes this page.

| corpus | sender | what is particular about it |
| --- | --- | --- |
"""


def page() -> str:
    """Return the page as Markdown."""
    rows = [f"| `{each.name}` | {each.sender} | {each.trait} |\n" for each in CORPORA.values()]
    return "".join([_HEAD, *rows, "\nOne event of each, as it is sent:\n", *_examples()])


def _examples() -> Iterator[str]:
    for name in CORPORA:
        text = Bodies(name, seed=0).text(_SENT_AT).decode()
        yield f"\n## {name}\n\n```json\n{text}\n```\n"


if __name__ == "__main__":
    print(page(), end="")
