from functools import partial
from pathlib import Path

import pytest

from storage.journal.recovery import recover
from tests.journal_tools.tool import Tool, run_tool
from tests.storage.segments import local


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return partial(run_tool, tmp_path)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    directory = tmp_path / "journal"
    recover(local(directory))
    return directory
