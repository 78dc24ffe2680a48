"""A real Next.js app, built and served."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.support.parts import lack

PROJECT = Path(__file__).parent / "next"

_PAGE = """
import Link from "next/link";
import { BuyButton } from "./buy";

export default function Page() {
  return <p><BuyButton item="teapot" /> <Link href="/second">second</Link></p>;
}
"""
_SECOND = "export default function Second() { return <p>second</p>; }"


class NextApp:
    """An app whose packages are installed once, from the lock file, and which tests build anew."""

    def __init__(self, directory: Path, npm: str) -> None:
        self._directory = directory
        self._npm = npm
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", str(directory)),
            "NEXT_TELEMETRY_DISABLED": "1",
        }
        self._process: subprocess.Popen[str] | None = None
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PROJECT / name, directory)
        self._install()

    def _install(self) -> None:
        done = self._run("ci", "--no-audit", "--no-fund", "--loglevel=error")
        if done.returncode != 0:
            lack(f"npm cannot install Next.js: {done.stderr.strip()}")

    def _run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self._npm, *arguments],
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def type_errors(self, types: str, program: str) -> list[int]:
        """Return the lines in which TypeScript finds an error, given the types."""
        (self._directory / "types.d.ts").write_text(types)
        (self._directory / "program.ts").write_text(program)
        compiler = ("exec", "--", "tsc", "--noEmit", "--strict")
        done = self._run(*compiler, "types.d.ts", "program.ts")
        return [int(line) for line in re.findall(r"^program\.ts\((\d+),", done.stdout, re.M)]

    def serve(self, *, layout: str, component: str) -> str:
        """Build and start the app, and return its URL."""
        app = self._directory / "app"
        (app / "second").mkdir(parents=True, exist_ok=True)
        (app / "layout.jsx").write_text(layout)
        (app / "buy.jsx").write_text(component)
        (app / "page.jsx").write_text(_PAGE)
        (app / "second" / "page.jsx").write_text(_SECOND)
        done = self._run("exec", "--", "next", "build")
        assert 0 == done.returncode, done.stdout + done.stderr
        self._process = subprocess.Popen(
            ["node_modules/.bin/next", "start", "-H", "127.0.0.1", "-p", "0"],
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if match := re.search(r"http://(?:localhost|127\.0\.0\.1):(\d+)", line):
                return f"http://localhost:{match[1]}"
        raise AssertionError("the app did not start")

    def stop(self) -> None:
        """Stop the app if it runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=30)
