"""A short run of all faults at once; `make chaos` runs longer."""

import random
from pathlib import Path

from tests.faults.chaos import MUST_BE_ZERO, run

SECONDS = 15.0


def test_nothing_is_lost_and_nothing_is_delivered_twice(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    found = run(tmp_path, SECONDS, seed)
    assert dict.fromkeys(MUST_BE_ZERO, 0) == {
        heading: found[heading] for heading in MUST_BE_ZERO
    }, f"seed {seed}: {found}"
    assert found["kills"] > 0
    assert found["acknowledged as conflicts"] > 0
    assert found["acknowledged"] == found["sent"] == found["delivered"] > 0
