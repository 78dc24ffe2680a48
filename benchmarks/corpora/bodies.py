"""The bodies of requests: single events, or batches of any size."""

import gzip
from random import Random

from benchmarks.corpora.corpus import CORPORA, Corpus
from benchmarks.corpora.placeholders import Template

# Events of different content in a corpus, more than a compressor's window holds.
_DIFFERENT_EVENTS = 2000
_GZIP_LEVEL = 6


class Bodies:
    """Endless bodies of one corpus, each with event ids of its own.

    The same name, seed and size yield the same bodies, except for the times. Bodies of different
    seeds have no event id in common. `size` is the number of events in a batch; None stands for
    single events, as `/api/v1/events` takes them.
    """

    def __init__(self, name: str, seed: int, size: int | None = None) -> None:
        self.corpus = CORPORA[name]
        self._chance = Random(f"{name} {seed} {size}")
        self._templates = [
            Template(_text(self.corpus, self._chance, size))
            for _ in range(max(1, _DIFFERENT_EVENTS // (size or 1)))
        ]
        self._made = 0

    def text(self, sent_at: float) -> bytes:
        """Make the next body for a time in Unix seconds, not compressed.

        It is fastest if the time is the same as that of the previous bodies.
        """
        template = self._templates[self._made % len(self._templates)]
        self._made += 1
        ids = self.corpus.make_ids(self._chance, template.ids)
        return template.filled(ids, sent_at)

    def content(self, sent_at: float) -> bytes:
        """Make the next body in the coding in which it is sent."""
        text = self.text(sent_at)
        if self.corpus.is_gzipped:
            return gzip.compress(text, _GZIP_LEVEL, mtime=0)
        return text


def _text(corpus: Corpus, chance: Random, size: int | None) -> str:
    if size is None:
        return corpus.write(corpus.make_events(chance, 1)[0])
    return corpus.text(corpus.make_events(chance, size))
