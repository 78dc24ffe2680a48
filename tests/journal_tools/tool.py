"""The tools, run as an operator runs them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.server_process import ROOT

Tool = Callable[..., subprocess.CompletedProcess[str]]


def start_tool(directory: Path, *arguments: str, **settings: str) -> "subprocess.Popen[bytes]":
    """Start a tool as a process in `directory`, with pipes for its output."""
    return subprocess.Popen(
        [sys.executable, "-m", "journal_tools", *arguments],
        cwd=directory,
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run_tool(directory: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a tool in `directory` until it ends."""
    return subprocess.run(
        [sys.executable, "-m", "journal_tools", *arguments],
        cwd=directory,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def environment(**settings: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings}


def listed(tool: Tool) -> list[dict[str, Any]]:
    """Return the segments that `ls --json` lists."""
    found: list[dict[str, Any]] = json.loads(
        tool("ls", "--json", "--journal-dir", "journal").stdout
    )["segments"]
    return found
