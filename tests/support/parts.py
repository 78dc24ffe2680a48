"""Programs that a machine may lack."""

import os
import shutil
from typing import NoReturn

import pytest


def require(program: str) -> str:
    """Return the program's path; without it skip the test, or fail it under REQUIRE_ALL=1."""
    path = shutil.which(program)
    if path is None:
        lack(f"{program} is not installed")
    return path


def lack(reason: str) -> NoReturn:
    """Skip the test because the machine lacks something, or fail it under REQUIRE_ALL=1."""
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
