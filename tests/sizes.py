"""Report of long functions and long files, for people to judge; it never fails.

python -m tests.sizes
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAX_FUNCTION_LINES = 40
MAX_FILE_LINES = 300
MAX_TEST_FILE_LINES = 400

_NOT_OURS = {"data", "node_modules"}


def long_parts(path: str, text: str) -> Iterator[str]:
    """Yield a line for the file, if it is long, and for each of its long functions."""
    lines = text.count("\n")
    limit = MAX_TEST_FILE_LINES if path.startswith("tests/") else MAX_FILE_LINES
    if lines > limit:
        yield f"{path}:1: file has {lines} lines (> {limit})"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield (
                    f"{path}:{node.lineno}: `{node.name}` has {lines} lines"
                    f" (> {MAX_FUNCTION_LINES})"
                )


def modules() -> list[str]:
    """Return the paths of the project's Python files, without installed packages and data."""
    paths = (path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
    return sorted(
        str(path)
        for path in paths
        if not any(part.startswith(".") or part in _NOT_OURS for part in path.parts)
    )


def main() -> None:
    """Print the report."""
    for path in modules():
        for line in long_parts(path, (ROOT / path).read_text(encoding="utf-8")):
            print(line)


if __name__ == "__main__":
    main()
