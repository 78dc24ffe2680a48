"""Promises of the runs of the self-test."""

import re

import pytest

from handlers.selftest_runs import Mark, SelfTestRuns, is_run_id

UNKNOWN = "0123456789abcdef" * 2


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
def runs(clock: list[float]) -> SelfTestRuns:
    return SelfTestRuns(lambda: clock[0])


def known(runs: SelfTestRuns, ids: list[str]) -> list[str]:
    return [each for each in ids if runs.rows(each) is not None]


def test_each_run_gets_an_id_of_16_random_bytes(runs: SelfTestRuns) -> None:
    ids = {runs.begin() for _ in range(50)}
    assert 50 == len(ids)
    assert [] == [each for each in ids if not re.fullmatch(r"[0-9a-f]{32}", each)]
    assert [] == [each for each in ids if not is_run_id(each)]


def test_only_the_mark_of_a_run_is_one(runs: SelfTestRuns) -> None:
    run = runs.begin()
    assert Mark(run, "post", 17) == runs.mark(f"a=b&selftest={run}.post.17&c=d")
    assert runs.mark(f"selftest={UNKNOWN}.post.17") is None
    assert SelfTestRuns().mark(f"selftest={run}.post.17") is None


def test_a_new_run_replaces_the_oldest_of_64(runs: SelfTestRuns) -> None:
    ids = [runs.begin() for _ in range(64)]
    runs.add(Mark(ids[0], "post", 0), {"status": 200})
    assert ids == known(runs, ids)
    ids.append(runs.begin())
    assert ids[1:] == known(runs, ids)
    assert runs.mark(f"selftest={ids[0]}.post.17") is None


def test_a_run_is_forgotten_after_10_minutes(runs: SelfTestRuns, clock: list[float]) -> None:
    first = runs.begin()
    clock[0] += 300
    second = runs.begin()
    clock[0] += 299.9
    runs.add(Mark(first, "post", 0), {"status": 200})
    assert [first, second] == known(runs, [first, second])
    clock[0] += 0.1
    assert runs.mark(f"selftest={first}.post.17") is None
    assert [second] == known(runs, [first, second])


def test_observations_of_an_unknown_run_are_discarded(runs: SelfTestRuns) -> None:
    runs.add(Mark(UNKNOWN, "post", 0), {"status": 200})
    assert runs.rows(UNKNOWN) is None


def test_a_run_has_at_most_64_rows(runs: SelfTestRuns) -> None:
    run = runs.begin()
    for number in range(100):
        runs.add(Mark(run, f"row-{number}", 0), {"status": 200})
    runs.add(Mark(run, "row-0", 0), {"error": "late"})
    rows = runs.rows(run)
    assert rows is not None
    assert 64 == len(rows)
    assert {"status": 200, "error": "late"} == rows["row-0"]
