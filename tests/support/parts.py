"""Programs that a machine may lack."""

import os
import shutil
from typing import NoReturn

import pytest


def require(program: str) -> str:
    """The program's path; without it the test is skipped, or fails under REQUIRE_ALL=1."""
    path = shutil.which(program)
    if path is None:
        lack(f"{program} is not installed")
    return path


def lack(reason: str) -> NoReturn:
    """Skip the test for what the machine lacks, or fail it under REQUIRE_ALL=1."""
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
