import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path, PurePosixPath

import pytest

import collector
import server
from http1 import server as http_server
from settings.variables import VARIABLES
from tests.support.parts import require

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "analytics-platform.service"
PYTHON = "/opt/analytics-platform/.venv/bin/python"
WORST_EXPOSURE = 15  # tenths of a point, of 100


def directives() -> dict[str, list[str]]:
    found = defaultdict(list)
    for line in UNIT.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            found[name].append(value)
    return found


def directive(name: str) -> str:
    (value,) = directives()[name]
    return value


def environment() -> dict[str, str]:
    return dict(each.split("=", 1) for each in directives()["Environment"])


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit with a program that exists on this machine, since systemd-analyze checks that."""
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace(PYTHON, sys.executable))
    return path


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [require("systemd-analyze"), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_systemd_accepts_the_unit(installed: Path) -> None:
    verdict = analyze("verify", installed)
    assert ("", 0) == (verdict.stderr, verdict.returncode)


def test_the_sandbox_leaves_little_exposed(installed: Path) -> None:
    verdict = analyze(
        "security", "--offline=true", f"--threshold={WORST_EXPOSURE}", "--no-pager", installed
    )
    assert 0 == verdict.returncode, verdict.stdout


def default_s(name: str) -> float:
    (variable,) = (each for each in VARIABLES if each.name == name)
    seconds = variable.parse(variable.default or "")
    assert isinstance(seconds, float)
    return seconds


def test_the_unit_names_every_setting_that_prolongs_a_shutdown() -> None:
    comment = UNIT.read_text().partition("TimeoutStopSec")[0].rpartition("# A shutdown")[2]
    assert ["SHUTDOWN_DELAY", "DRAIN_TIMEOUT", "ACK_TIMEOUT"] == re.findall(
        r"[A-Z]+_[A-Z]+", comment
    )


def test_systemd_waits_longer_than_a_shutdown_may_take() -> None:
    requests_s = collector._FINISH_REQUESTS_S + http_server._LAST_LINGER_S
    settings_s = default_s("SHUTDOWN_DELAY") + default_s("DRAIN_TIMEOUT")
    longest_s = requests_s + collector._SEAL_S + settings_s
    assert float(directive("TimeoutStopSec")) > longest_s


def test_invalid_settings_do_not_restart_the_service() -> None:
    assert str(server._EXIT_BAD_SETTINGS) == directive("RestartPreventExitStatus")


def test_every_variable_in_the_unit_is_a_setting() -> None:
    assert environment()
    assert environment().keys() <= {each.name for each in VARIABLES}


def test_the_journal_is_in_the_state_directory() -> None:
    state_directory = PurePosixPath("/var/lib", directive("StateDirectory"))
    assert state_directory in PurePosixPath(environment()["JOURNAL_DIR"]).parents


def test_the_program_is_in_the_working_directory() -> None:
    interpreter, script = directive("ExecStart").split()
    assert PurePosixPath(directive("WorkingDirectory")) in PurePosixPath(interpreter).parents
    assert (ROOT / script).is_file()
