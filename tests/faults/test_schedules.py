"""Thousands of random lives of a journal; `FAULTS_SCHEDULES=200000` runs more.

A seed that breaks a promise is told; `FAULTS_SEED=n` runs that one alone.
"""

import logging
import os
from collections.abc import Iterator

import pytest

from tests.faults.schedule import live

_CHUNKS = 20


def seeds(chunk: int) -> Iterator[int]:
    if "FAULTS_SEED" in os.environ:
        yield from [int(os.environ["FAULTS_SEED"])] if chunk == 0 else []
        return
    count = int(os.environ.get("FAULTS_SCHEDULES", "4000")) // _CHUNKS
    yield from range(chunk * count, (chunk + 1) * count)


@pytest.fixture
def silent() -> Iterator[None]:
    """No log: a failing disk is what these lives are about."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("chunk", range(_CHUNKS))
def test_no_life_breaks_a_promise(chunk: int) -> None:
    for seed in seeds(chunk):
        live(seed)
