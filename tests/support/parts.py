"""Programs that a machine may lack."""

import os
import shutil

import pytest


def require(program: str) -> str:
    """The program's path; without it the test is skipped, or fails under REQUIRE_ALL=1."""
    path = shutil.which(program)
    if path is None:
        reason = f"{program} is not installed"
        if os.environ.get("REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path
