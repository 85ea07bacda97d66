"""Modules of at most 400 lines, functions of at most 60 (STYLE: one idea, one level).

Usage: python3 -m tools.check_lengths FOLDER...
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MODULE_LINES = 400
FUNCTION_LINES = 60


def too_long(path: Path) -> Iterator[str]:
    """One line for the module and for each of its functions that is too long."""
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    if lines > MODULE_LINES:
        yield f"{path}:1: {lines} lines in one module, at most {MODULE_LINES}"
    for item in ast.walk(ast.parse(text)):
        if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (item.end_lineno or item.lineno) - item.lineno + 1 - _docstring_lines(item)
            if length > FUNCTION_LINES:
                yield f"{path}:{item.lineno}: {item.name} has {length} lines, at most {FUNCTION_LINES}"


def _docstring_lines(item: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    if ast.get_docstring(item) is None:
        return 0
    return (item.body[0].end_lineno or 0) - item.body[0].lineno + 1


def main(folders: list[str]) -> int:
    """Check every module below `folders`; returns the exit status."""
    found = [line for folder in folders for path in sorted(Path(folder).rglob("*.py")) for line in too_long(path)]
    print("\n".join(found) or "no module and no function is too long")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
