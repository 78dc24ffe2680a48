"""The load generator against the whole server: each event of each corpus is accepted."""

import pytest

from benchmarks.corpora.corpus import CORPORA
from benchmarks.prepared import Load
from benchmarks.sending import Sending
from tests.support.server_process import ServerProcess

SIZES = (None, 10, 100)


def load(server: ServerProcess, corpus: str, size: int | None) -> Load:
    port = int(server.url.rpartition(":")[2])
    return Load(port, corpus, size, seed=7, seconds=0.5, rate=8.0, connections=3)


def test_the_server_accepts_every_event_of_every_corpus(server: ServerProcess) -> None:
    server.start()
    sent = 0
    for corpus in CORPORA:
        for size in SIZES:
            sending = Sending(load(server, corpus, size))
            sending.run()
            assert sending.responses >= 3, (corpus, size)
            sent += sending.responses * (size or 1)
    counters = server.health()["events"]
    assert (sent, 0) == (counters["durable"], counters["conflict"])


def test_a_refused_request_ends_the_benchmark(server: ServerProcess) -> None:
    server.start(MAX_BATCH_EVENTS="10")
    with pytest.raises(SystemExit, match="batch_too_large"):
        Sending(load(server, "beacon", 100)).run()
