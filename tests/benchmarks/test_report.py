"""The table of results: what it shows of the corpora."""

from benchmarks.report import table

MACHINE = {"processor": "2 x A", "memory": "1.0 GiB", "system": "Linux 6", "python": "3.11.7"}
CORPORA = {
    "ratios": {
        "beacon, single": 1.62,
        "ideal, 100": 45.12,
        "beacon, 100": 31.0,
        "sdk, 100": 25.05,
        "pretty, 100": 29.4,
        "sdk, 10": 7.25,
    },
    "events_per_s": {
        "beacon, single": 11_000.4,
        "ideal, 100": 300_000,
        "beacon, 100": 210_000,
        "sdk, 100": 170_000,
        "pretty, 100": 200_000,
        "sdk, 10": 50_000,
    },
}


def test_the_table_shows_each_corpus_and_the_median_of_the_realistic_ones() -> None:
    lines = table({"machine": MACHINE, "corpora": CORPORA}).splitlines()
    bare = "divided by bare requests/s"
    realistic = f"realistic events in batches of 100, {bare}: median of all corpora"
    assert lines[4:] == [
        f"| {realistic} | 29.4 (lowest: 25.1) |",
        f"| `beacon`, single events, {bare} | 1.62 (11,000 events/s) |",
        f"| `ideal`, batches of 100, {bare} | 45.1 (300,000 events/s) |",
        f"| `beacon`, batches of 100, {bare} | 31.0 (210,000 events/s) |",
        f"| `sdk`, batches of 100, {bare} | 25.1 (170,000 events/s) |",
        f"| `pretty`, batches of 100, {bare} | 29.4 (200,000 events/s) |",
        f"| `sdk`, batches of 10, {bare} | 7.25 (50,000 events/s) |",
    ]


def test_the_table_leaves_out_what_was_not_measured() -> None:
    assert "beacon" not in table({"machine": MACHINE})
