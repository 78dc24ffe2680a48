"""A project of npm, installed by its lock file in a directory of its own."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.parts import lack, require


class NpmProject:
    """A copy of `source` in `directory`, with its packages.

    Without npm or its registry the test is skipped, or fails under REQUIRE_ALL=1.
    """

    def __init__(self, source: Path, directory: Path) -> None:
        self.directory = directory
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", str(directory)),
        }
        self._npm = require("npm")
        ignored = shutil.ignore_patterns("node_modules")
        shutil.copytree(source, directory, ignore=ignored, dirs_exist_ok=True)
        done = self.run("ci", "--no-audit", "--no-fund", "--loglevel=error")
        if done.returncode != 0:
            lack(f"npm cannot install {source.name}: {done.stderr.strip()}")

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run npm with these arguments."""
        return subprocess.run(
            [self._npm, *arguments],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
