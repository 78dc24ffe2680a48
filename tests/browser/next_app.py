"""A real Next.js app, built and served."""

import re
import subprocess
from pathlib import Path

from tests.browser.npm_project import NpmProject

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

    def __init__(self, directory: Path) -> None:
        self._project = NpmProject(PROJECT, directory)
        self._project.environment["NEXT_TELEMETRY_DISABLED"] = "1"
        self._process: subprocess.Popen[str] | None = None

    def type_errors(self, types: str, program: str) -> list[int]:
        """Return the lines in which TypeScript finds an error, given the types."""
        (self._project.directory / "types.d.ts").write_text(types)
        (self._project.directory / "program.ts").write_text(program)
        compiler = ("exec", "--", "tsc", "--noEmit", "--strict")
        done = self._project.run(*compiler, "types.d.ts", "program.ts")
        return [int(line) for line in re.findall(r"^program\.ts\((\d+),", done.stdout, re.M)]

    def serve(self, *, layout: str, component: str) -> str:
        """Build and start the app, and return its URL."""
        app = self._project.directory / "app"
        (app / "second").mkdir(parents=True, exist_ok=True)
        (app / "layout.jsx").write_text(layout)
        (app / "buy.jsx").write_text(component)
        (app / "page.jsx").write_text(_PAGE)
        (app / "second" / "page.jsx").write_text(_SECOND)
        done = self._project.run("exec", "--", "next", "build")
        assert 0 == done.returncode, done.stdout + done.stderr
        self._process = subprocess.Popen(
            ["node_modules/.bin/next", "start", "-H", "127.0.0.1", "-p", "0"],
            cwd=self._project.directory,
            env=self._project.environment,
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
