"""The documents, compared with the code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from benchmarks import cost
from handlers.errors import ERRORS
from settings.settings import load_settings
from settings.variables import VARIABLES
from tests.test_rules import PACKAGES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
REQUIREMENTS = (
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-bench.txt",
    "requirements-query.txt",
)
INSTALLED = {".venv", "node_modules"}
PAGES = [path for path in ROOT.rglob("*.md") if not INSTALLED.intersection(path.parts)]


def table(text: str, *head: str) -> list[list[str]]:
    """Return the rows of the table whose head begins with these cells."""
    _, found, rest = text.partition(f"| {' | '.join(head)} |")
    assert found, head
    rows = []
    for line in rest.splitlines()[2:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def error_row(code: str) -> list[str]:
    kind = ERRORS[code]
    return [f"`{code}`", str(kind.status), "yes" if kind.may_retry else "no", kind.meaning]


def test_the_readme_has_every_error() -> None:
    assert [error_row(code) for code in ERRORS] == table(README, "code", "status", "retry?")


def test_the_readme_has_every_setting() -> None:
    expected = [
        [f"`{each.name}`", f"`{each.default}`" if each.default else "", each.summary]
        for each in VARIABLES
    ]
    assert expected == table(README, "variable", "default")


def test_the_example_file_can_be_used_unmodified() -> None:
    values = dotenv_values(ROOT / ".env.example")
    given = {name: text for name, text in values.items() if text is not None}
    assert "data/store" == str(load_settings(given).storage_dir)


def example_lines() -> list[re.Match[str]]:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return list(re.finditer(r"^(?:# )?([A-Z][A-Z0-9_]+)=(.*)$", text, re.M))


def test_the_example_file_has_every_setting_with_its_default() -> None:
    expected = {each.name: each.default or "" for each in VARIABLES}
    found = {match[1]: match[2] for match in example_lines()}
    assert expected == found | {"STORAGE_DIR": ""}


def test_every_setting_of_the_example_file_has_a_comment_above_it() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(text):
        if re.match(r"(# )?[A-Z][A-Z0-9_]+=", line):
            assert text[number - 1].startswith("# "), line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_existing_files(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def json_blocks(text: str) -> list[Any]:
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.S)]


def test_the_page_on_scaling_has_the_computed_costs() -> None:
    assert cost.table() in (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")


def test_the_readme_has_the_measured_figures() -> None:
    assert (ROOT / "benchmarks" / "results" / "table.md").read_text(encoding="utf-8") in README


def test_json_in_the_readme_is_json() -> None:
    assert 3 == len(json_blocks(README))


def test_the_readme_names_every_folder_of_the_code() -> None:
    rows = [row[0].strip("`/") for row in table(README, "part", "what it does")]
    others = {"tests", "deploy", "benchmarks", "examples", "server.py", "collector.py"}
    assert set() == {*PACKAGES, *others} - set(rows)


def test_the_requirements_are_pinned_exactly() -> None:
    for name in (*REQUIREMENTS, "constraints.txt"):
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            requirement = line.partition("#")[0].strip()
            if requirement and not requirement.startswith("-"):
                assert re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z0-9,]+\])?==[\w.]+", requirement)


def test_every_runtime_requirement_has_its_reason() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [] == [line for line in lines if "==" in line and "#" not in line]
