"""Rules for the code that no linter checks."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("http1", "handlers", "journal_tools", "logs", "settings", "storage", "validation")
ROOTS = ("server", "collector")
MODULES = [
    *(ROOT / f"{name}.py" for name in ROOTS),
    *(path for name in PACKAGES for path in (ROOT / name).rglob("*.py")),
]


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


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_reads_the_environment_when_it_is_imported(path: Path) -> None:
    assert [] == environment_reads(parsed(path))
