"""The README's commands and responses, compared with the server."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.server import make_site
from tests.support.parts import require
from tests.support.server_process import ROOT, ServerProcess
from tests.test_documents import README, json_blocks, table

COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, re.S)
    for line in block.splitlines()
    if line and not line.startswith("#")
]


@pytest.fixture
def here(server: ServerProcess) -> ServerProcess:
    """The server with the store and the journal of `make run`."""
    require("curl")
    return server.start(STORAGE_DIR="data/store", JOURNAL_DIR="data/journal")


def run(command: str, server: ServerProcess) -> str:
    """Run a command of the README against this server, and return its output."""
    done = subprocess.run(
        command.replace("http://localhost:8080", server.url),
        shell=True,
        cwd=server.directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def response_of(output: str) -> tuple[int, Any]:
    """Return the status and the body that `curl -i` printed."""
    head, _, body = output.replace("\r\n", "\n").partition("\n\n")
    return int(head.split()[1]), json.loads(body)


def commands_with(word: str) -> list[str]:
    return [command for command in COMMANDS if word in command]


def test_the_first_event_gets_the_response_and_the_object_of_the_readme(
    here: ServerProcess,
) -> None:
    (first,) = commands_with('"event_id": ')
    success, _, _ = json_blocks(README)
    assert (200, success) == response_of(run(first, here))
    here.wait_until_delivered()
    (show,) = commands_with("cat ")
    assert "/pricing" == json.loads(run(show, here))["properties"]["path"]


def test_the_batches_get_the_responses_of_the_readme(here: ServerProcess) -> None:
    array, lines = commands_with("/events/batch")
    _, shown, _ = json_blocks(README)
    status, body = response_of(run(array, here))
    assert 207 == status
    assert body.pop("event_ids")[1] is None
    assert shown.pop("event_ids")[1] is None
    assert shown == body
    status, body = response_of(run(lines, here))
    assert (200, 2) == (status, body["success_count"])


def test_errors_have_the_form_of_the_readme(here: ServerProcess) -> None:
    _, _, shown = json_blocks(README)
    body = here.post({"user_id": "u"}).json()
    assert shown["error"] == body["error"]
    assert set(shown) == set(body)
    assert len(shown["request_id"]) == len(body["request_id"])


def test_the_readme_has_every_route() -> None:
    hashed = re.compile(r"/beacon\.[0-9a-f]+\.js")
    routes = {hashed.sub("/beacon.<hash>.js", path) for path in make_site().app.routes}
    named = {row[0].strip("`").split()[1] for row in table(README, "request", "response")}
    assert named == routes


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.M))
    assert {"run", "test"} <= named <= targets


def test_the_server_starts_with_the_settings_of_the_example_file(
    server: ServerProcess, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text())
    server.start(STORAGE_DIR=None)
    assert 200 == server.post({"event_type": "c"}).status_code
    server.wait_until_delivered()
    assert 1 == len(list((tmp_path / "data" / "store" / "events").rglob("*.json")))
