"""Rules for the code that no linter checks."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("http1", "handlers", "journal_tools", "logs", "settings", "storage", "validation")
ROOTS = ("server", "collector")
MODULES = [
    *(ROOT / f"{name}.py" for name in ROOTS),
    *(path for name in PACKAGES for path in (ROOT / name).rglob("*.py")),
]
# These modules have their tests in another place than `tests/a/test_b.py`.
TESTED_ELSEWHERE = {
    # It is run as a process, by the tests of its command line, its signals and its exit codes.
    "server.py": "tests/server/test_command_line.py",
}
# No docstring begins with these: a noun or a verb says it directly.
QUESTION_WORDS = ("What", "Who", "Whether", "How", "Where", "Which")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def test_nothing_imports_the_composition_root() -> None:
    below = [path for path in MODULES if path.stem not in ROOTS or path.parent != ROOT]
    assert [] == [path.name for path in below if imported(parsed(path)).intersection(ROOTS)]


def environment_reads(tree: ast.Module) -> list[int]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, functions)
        for node in ast.walk(function)
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in {"environ", "getenv"}
        and id(node) not in inside
    ]


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_module_reads_the_environment_when_it_is_imported(path: Path) -> None:
    assert [] == environment_reads(parsed(path))


def docstrings(tree: ast.Module) -> Iterator[str]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds):
            yield ast.get_docstring(node) or ""


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_docstring_begins_like_a_question(path: Path) -> None:
    found = [text.partition("\n")[0] for text in docstrings(parsed(path))]
    assert [] == [line for line in found if line.split(" ")[0] in QUESTION_WORDS]


def own_test(module: str) -> Path:
    """Return the test of a module: `tests/a/test_b.py` for `a/b.py`."""
    path = Path("tests", module)
    mirrored = path.with_name(f"test_{path.stem.strip('_')}.py")
    return ROOT / TESTED_ELSEWHERE.get(module, mirrored)


@pytest.mark.parametrize(
    "module", [relative(path) for path in MODULES if path.name != "__init__.py"]
)
def test_every_module_has_a_test_of_its_own(module: str) -> None:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    body = parsed(own_test(module)).body
    claims = [
        node for node in body if isinstance(node, functions) and node.name.startswith("test_")
    ]
    assert claims != [], f"no test in {relative(own_test(module))}"


def test_every_package_is_checked() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert {*PACKAGES, "tests", "benchmarks", "examples"} == found


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path.name == "__init__.py"], ids=relative
)
def test_every_package_is_described_in_three_to_six_lines(path: Path) -> None:
    text = ast.get_docstring(parsed(path)) or ""
    assert len(text.splitlines()) in range(3, 7), text
