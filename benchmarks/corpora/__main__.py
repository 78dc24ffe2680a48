"""Print bodies of a corpus, or the list of the corpora.

    .venv/bin/python -m benchmarks.corpora
    .venv/bin/python -m benchmarks.corpora sdk --size 10 --bodies 3 --seed 7

The times are those of a sender who sends now.
"""

import argparse
import sys
import time

from benchmarks.corpora.bodies import Bodies
from benchmarks.corpora.corpus import CORPORA


def main() -> None:
    """Print what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.corpora",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("corpus", nargs="?", choices=CORPORA)
    parser.add_argument("--size", type=int, help="events in a batch; default: single events")
    parser.add_argument("--bodies", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.corpus is None:
        for each in CORPORA.values():
            print(f"{each.name:12} {each.sender}: {each.trait}")
        return
    made = Bodies(given.corpus, given.seed, given.size)
    for _ in range(given.bodies):
        sys.stdout.buffer.write(made.text(time.time()).rstrip(b"\n") + b"\n")


if __name__ == "__main__":
    main()
