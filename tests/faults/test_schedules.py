"""Thousands of random schedules of a journal; `FAULTS_SCHEDULES=200000` runs more.

A failure names its seed; `FAULTS_SEED=n` runs that schedule alone.
"""

import logging
import os
from collections.abc import Iterator

import pytest

from tests.faults.schedule import run_schedule

_CHUNKS = 20


def seeds(chunk: int) -> Iterator[int]:
    if "FAULTS_SEED" in os.environ:
        yield from [int(os.environ["FAULTS_SEED"])] if chunk == 0 else []
        return
    count = int(os.environ.get("FAULTS_SCHEDULES", "4000")) // _CHUNKS
    yield from range(chunk * count, (chunk + 1) * count)


@pytest.fixture
def silent() -> Iterator[None]:
    """No log: these schedules are full of disk errors."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("chunk", range(_CHUNKS))
def test_no_schedule_breaks_a_guarantee(chunk: int) -> None:
    for seed in seeds(chunk):
        run_schedule(seed)
