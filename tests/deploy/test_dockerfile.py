import ast
import fnmatch
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path, PurePosixPath
from typing import IO

import pytest

from settings.variables import VARIABLES

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
SECRETS = [".env", ".git/config", "data/journal/lock", "tests/__init__.py", ".venv/bin/python"]
TOOLS = ["handlers/__pycache__/app.cpython-311.pyc", "web/build/node_modules/esbuild/bin/esbuild"]


def steps(name: str) -> list[str]:
    """Return the arguments of each instruction of this name, in order."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [line.split(None, 1)[1] for line in joined if line.split(None, 1)[:1] == [name]]


def step(name: str) -> str:
    (only,) = steps(name)
    return only


def environment() -> dict[str, str]:
    return dict(each.split("=", 1) for line in steps("ENV") for each in shlex.split(line))


def arguments(text: str) -> list[str]:
    """Return the command of an exec form, with this interpreter for `python`."""
    program, *rest = json.loads(text)
    assert "python" == program
    return [sys.executable, *rest]


def is_in_context(path: str) -> bool:
    """Return whether .dockerignore admits a file to the build; the last match decides."""
    admitted = True
    whole = PurePosixPath(path)
    names = [str(each) for each in (whole, *whole.parents)]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#") and _matches(pattern, names):
            admitted = line.startswith("!")
    return admitted


def _matches(pattern: str, names: list[str]) -> bool:
    anywhere = pattern.removeprefix("**/")
    if anywhere != pattern:
        return any(fnmatch.fnmatch(PurePosixPath(name).name, anywhere) for name in names)
    return any(fnmatch.fnmatch(name, pattern) for name in names)


def lines_until(stream: IO[str], pattern: str) -> re.Match[str]:
    """Return the match of the first line that has one; fail if no line does."""
    read = []
    for line in stream:
        read.append(line)
        if match := re.search(pattern, line):
            return match
    raise AssertionError("".join(read))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The working directory of the image, filled by the COPY steps from the build context."""
    folder = tmp_path / "image"
    folder.mkdir()
    for line in steps("COPY"):
        *sources, target = line.split()
        for source in sources:
            _copy(ROOT / source, folder / target)
    return folder


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        assert is_in_context(source.name)
        shutil.copy2(source, target)
        return
    for path in source.rglob("*"):
        if path.is_file() and is_in_context(path.relative_to(ROOT).as_posix()):
            copied = target / path.relative_to(source)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copied)


@pytest.fixture
def clean_environment(tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "STORAGE_DIR": str(tmp_path / "store"),
        "JOURNAL_DIR": str(tmp_path / "journal"),
        "HOST": "127.0.0.1",
        "PORT": "0",
    }


def test_the_command_runs_with_nothing_but_the_copied_files(
    image: Path, clean_environment: dict[str, str]
) -> None:
    done = subprocess.run(
        [*arguments(step("CMD")), "--version"],
        check=False,
        cwd=image,
        env=clean_environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("analytics-platform ")


def test_the_server_serves_and_stops_at_the_stop_signal(
    image: Path, clean_environment: dict[str, str]
) -> None:
    with subprocess.Popen(
        arguments(step("CMD")), cwd=image, env=clean_environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            port = lines_until(process.stderr, r"listening\b.*\bport\W+(\d+)")[1]
            healthy = _check_health(port, clean_environment)
            process.send_signal(signal.Signals[step("STOPSIGNAL")])
            process.stderr.read()
            assert (0, 0) == (healthy, process.wait())
        finally:
            process.kill()


def _check_health(port: str, others: dict[str, str]) -> int:
    """Return the exit code of the image's health check."""
    command = step("HEALTHCHECK").split("CMD", 1)[1]
    environ = {**others, "PORT": port, "http_proxy": "http://127.0.0.1:1"}
    ran = subprocess.run(
        arguments(command), check=False, env=environ, capture_output=True, timeout=60
    )
    return ran.returncode


class _Unhealthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(500)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def unhealthy_port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), _Unhealthy) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_server_that_responds_with_an_error_is_not_healthy(
    unhealthy_port: int, clean_environment: dict[str, str]
) -> None:
    assert 1 == _check_health(str(unhealthy_port), clean_environment)


def test_every_package_that_the_server_imports_is_copied(image: Path) -> None:
    imported = {
        node.module.split(".")[0]
        for root in ("server.py", "collector.py")
        for node in ast.walk(ast.parse((ROOT / root).read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
    }
    ours = {name for name in imported if (ROOT / name / "__init__.py").is_file()}
    assert ours
    assert {*ours, "web"} == {each.name for each in image.iterdir() if each.is_dir()}


def test_the_requirements_are_copied_first_with_the_files_they_name(image: Path) -> None:
    copied_first = steps("COPY")[0].split()[:-1]
    text = (image / "requirements.txt").read_text()
    assert {"requirements.txt", *re.findall(r"^-[cr] (\S+)$", text, re.M)} == set(copied_first)
    assert any("pip install --no-cache-dir -r requirements.txt" == run for run in steps("RUN"))


@pytest.mark.parametrize("path", [*SECRETS, *TOOLS])
def test_secrets_events_and_tools_are_not_in_the_build_context(path: str) -> None:
    assert not is_in_context(path)


def test_the_server_runs_as_a_numbered_user_without_privileges() -> None:
    number, group = step("USER").split(":")
    assert number == group == "10001"
    assert f"--uid {number} " in steps("RUN")[0]


def test_the_journal_is_on_a_volume_that_the_user_owns() -> None:
    volume = step("VOLUME")
    assert PurePosixPath(volume) in PurePosixPath(environment()["JOURNAL_DIR"]).parents
    assert re.search(rf"install -d -o analytics -g analytics .*{volume}$", steps("RUN")[0])


def test_every_variable_in_the_image_is_a_setting() -> None:
    assert environment().keys() <= {each.name for each in VARIABLES}


def test_the_port_is_the_default_one() -> None:
    assert [step("EXPOSE")] == [each.default for each in VARIABLES if each.name == "PORT"]


def test_the_base_image_has_the_python_of_the_type_checker() -> None:
    target = re.search(r'python_version = "(.+)"', (ROOT / "pyproject.toml").read_text())
    assert target
    assert f"python:{target[1]}-slim" == step("FROM")
