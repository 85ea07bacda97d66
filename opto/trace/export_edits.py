"""Editing a text by the spans of its syntax tree, so that comments and layout stay as they are."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from opto.trace.export_origin import MISSING, Origin
from opto.trace.export_values import is_node, is_opto

__all__ = ["Edits", "without_opto"]


class Edits:
    """Replacements in a text, made all at once.

    Args:
        text: the text that the positions of the nodes are about.
    """

    def __init__(self, text: str) -> None:
        self._text = text.encode()
        self._starts = [0]
        for line in self._text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._changes: list[tuple[int, int, bytes]] = []

    def at(self, line: int, column: int) -> int:
        """The offset of a position: a line from 1, a column in bytes."""
        return self._starts[line - 1] + column

    def span(self, node: ast.AST) -> tuple[int, int]:
        """The offsets of a node."""
        place: Any = node
        return self.at(place.lineno, place.col_offset), self.at(place.end_lineno, place.end_col_offset)

    def replace(self, start: int, end: int, text: str) -> None:
        """Put a text in place of what is between two offsets."""
        self._changes.append((start, end, text.encode()))

    def drop_lines(self, first: int, last: int) -> None:
        """Take out whole lines."""
        self.replace(self._starts[first - 1], self._starts[last], "")

    def replace_lines(self, first: int, last: int, text: str) -> None:
        """Put a text in place of whole lines."""
        self.replace(self._starts[first - 1], self._starts[last], text)

    def covers(self, node: ast.AST) -> bool:
        """Whether the node lies in what is replaced already."""
        start, end = self.span(node)
        return any(first <= start and end <= last for first, last, _ in self._changes if first < last)

    def decorator_lines(self, decorator: ast.expr, below: int) -> tuple[int, int]:
        """First and last line of a decorator, which may stand in parentheses; `below` is the line of what follows."""
        lines = self._text.splitlines()
        first, last = decorator.lineno, decorator.end_lineno or decorator.lineno
        while first > 1 and b"@" not in lines[first - 1][: decorator.col_offset if first == decorator.lineno else None]:
            first -= 1
        while last + 1 < below and lines[last].lstrip().startswith(b")"):
            last += 1
        return first, last

    def done(self) -> str:
        """The text with all replacements made; one inside another is dropped."""
        parts, place = [], 0
        for start, end, text in sorted(self._changes, key=lambda change: (change[0], -change[1])):
            if start >= place:
                parts += [self._text[place:start], text]
                place = end
        return b"".join([*parts, self._text[place:]]).decode()


def without_opto(text: str, origin: Origin) -> str:
    """The text without `node(...)` around values, without opto's decorators and without imports of opto."""
    tree = ast.parse(text)
    edits = Edits(text)
    local = _local_imports(tree)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            _drop_decorators(edits, node, origin, local)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            _drop_import(edits, node)
        elif isinstance(node, ast.Call) and _makes_node(origin.value_of(node.func, local)):
            _unwrap(edits, node)
    return edits.done()


def opto_decorator(decorator: ast.expr, origin: Origin, local: Mapping[str, Any] | None = None) -> bool:
    """Whether a decorator is one of opto's."""
    while isinstance(decorator, ast.Call):
        if any(opto_decorator(each, origin, local) for each in decorator.args[:1]):  # partial(bundle, ...)
            return True
        decorator = decorator.func
    value = origin.value_of(decorator, local)
    if value is MISSING:  # a variable of a function that has returned
        name = decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
        return name in ("bundle", "model")
    return is_opto(value)


def _makes_node(value: Any) -> bool:
    """Whether this is opto's `node`, or a class of nodes."""
    if value is MISSING or not is_opto(value):
        return False
    return getattr(value, "__name__", "") in ("node", "Node", "ParameterNode") and not is_node(value)


def _local_imports(tree: ast.AST) -> dict[str, Any]:
    """What the text itself imports from opto."""
    import importlib

    found: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "opto" and not node.level:
            module = importlib.import_module(node.module or "")
            for alias in node.names:
                found[alias.asname or alias.name] = getattr(module, alias.name, MISSING)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "opto":
                    module = importlib.import_module(alias.name)
                    found[alias.asname or "opto"] = module if alias.asname else importlib.import_module("opto")
    return found


def _drop_decorators(
    edits: Edits, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, origin: Origin, local: Mapping[str, Any]
) -> None:
    for number, decorator in enumerate(node.decorator_list):
        if opto_decorator(decorator, origin, local):
            below = [*node.decorator_list, node][number + 1]
            edits.drop_lines(*edits.decorator_lines(decorator, below.lineno))


def _drop_import(edits: Edits, node: ast.Import | ast.ImportFrom) -> None:
    modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    own = [name for name in modules if name.split(".")[0] == "opto"]
    if own and not getattr(node, "level", 0):
        kept = [alias for alias in node.names if alias.name not in own] if isinstance(node, ast.Import) else []
        edits.replace(*edits.span(node), ast.unparse(ast.Import(kept)) if kept else "pass")


def _unwrap(edits: Edits, call: ast.Call) -> None:
    """`node(value, ...)` becomes `value`; the value itself may be edited too."""
    by_name = {keyword.arg: keyword.value for keyword in call.keywords}
    value = call.args[0] if call.args else by_name.get("data") or by_name.get("value")
    if value is None:
        return
    (start, end), (first, last) = edits.span(call), edits.span(value)
    bare = isinstance(value, (ast.Constant, ast.Name)) and value.lineno == value.end_lineno
    edits.replace(start, first, "" if bare else "(")
    edits.replace(last, end, "" if bare else ")")
