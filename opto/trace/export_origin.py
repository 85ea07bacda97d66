"""Where the names of an exported program come from: a module, the variables around a definition, and their source."""

from __future__ import annotations

import ast
import builtins
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any

from opto.trace.source_files import FileIndex, index_of

__all__ = ["MISSING", "Origin", "functions_of"]

MISSING: Any = object()


class Origin:
    """What the text of a function or class sees.

    Args:
        names: the globals of its module.
        cells: the variables of enclosing functions.
        index: its file.
    """

    def __init__(self, names: Mapping[str, Any], cells: Mapping[str, Any], index: FileIndex | None) -> None:
        self.names = names
        self.cells = cells
        self.index = index
        self._tree: ast.Module | None = None

    @classmethod
    def of(cls, function: FunctionType) -> Origin:
        """What a function sees."""
        cells = {}
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                cells[name] = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
        return cls(function.__globals__, cells, index_of(function.__code__, function.__globals__))

    @property
    def tree(self) -> ast.Module:
        """The parsed file."""
        if self._tree is None:
            self._tree = ast.parse("".join(self.index.lines) if self.index else "")
        return self._tree

    def value(self, name: str) -> Any:
        """The value of a name, `MISSING` if it has none here."""
        for layer in (self.cells, self.names, vars(builtins)):
            if name in layer:
                return layer[name]
        return MISSING

    def value_of(self, expression: ast.expr, local: Mapping[str, Any] | None = None) -> Any:
        """The value of a dotted name, `MISSING` for any other expression."""
        if isinstance(expression, ast.Name):
            return local[expression.id] if local and expression.id in local else self.value(expression.id)
        if isinstance(expression, ast.Attribute):
            owner = self.value_of(expression.value, local)
            return MISSING if owner is MISSING else getattr(owner, expression.attr, MISSING)
        return MISSING

    def import_of(self, name: str) -> str | None:
        """The import statement of the module that binds the name, reduced to that name, with an absolute path."""
        for node in _unnested(self.tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    bound = alias.asname or (alias.name.split(".")[0] if isinstance(node, ast.Import) else alias.name)
                    if bound == name:
                        return self._import(node, alias)
        return None

    def _import(self, node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
        suffix = f" as {alias.asname}" if alias.asname else ""
        if isinstance(node, ast.Import):
            return f"import {alias.name}{suffix}"
        module = "." * node.level + (node.module or "")
        if node.level:
            module = importlib.util.resolve_name(module, self.names.get("__package__") or "")
        return f"from {module} import {alias.name}{suffix}"

    def assignment_of(self, name: str) -> str | None:
        """The last top-level assignment of the module to the name alone."""
        found = None
        for node in _unnested(self.tree):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and len(targets) == 1:
                target = targets[0]
                if isinstance(target, ast.Name) and target.id == name and node.value is not None:
                    found = node
        if found is None or found.value is None or self.index is None:
            return None
        return f"{name} = {ast.get_source_segment(''.join(self.index.lines), found.value, padded=False)}"

    def class_node(self, cls: type) -> ast.ClassDef | None:
        """The definition of a class in the file: the one of its name that holds its methods."""
        lines = [function.__code__.co_firstlineno for function in functions_of(cls)]
        found = None
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.ClassDef) or node.name != cls.__name__:
                continue
            if all(node.lineno <= line <= (node.end_lineno or line) for line in lines):
                found = node
        return found


def functions_of(cls: type) -> Iterator[FunctionType]:
    """The plain functions that the body of a class defines."""
    for value in vars(cls).values():
        function = plain(value)
        if function is None or function.__module__ != cls.__module__:
            continue
        if function.__qualname__.rpartition(".")[0] == cls.__qualname__:
            yield function


def plain(value: Any) -> FunctionType | None:
    """The function below static and class methods, properties, bundles and wrappers."""
    for _ in range(20):
        if isinstance(value, FunctionType):
            if not hasattr(value, "__wrapped__"):
                return value
            value = value.__wrapped__
        else:
            inner = [getattr(value, name, None) for name in ("__func__", "fget", "func", "fun", "__wrapped__")]
            value = next((each for each in inner if isinstance(each, Callable)), None)  # type: ignore[arg-type]
    return None


def origin_of_class(cls: type) -> Origin:
    """What the body of a class sees."""
    module = sys.modules.get(cls.__module__)
    cells: dict[str, Any] = {}
    last: Origin | None = None
    for function in functions_of(cls):
        last = Origin.of(function)
        cells.update(last.cells)
    if last is not None:
        return Origin(last.names, cells, last.index)
    names = vars(module) if module is not None else {}
    filename = getattr(module, "__file__", None)
    code = compile("", filename, "exec") if filename else None
    return Origin(names, cells, index_of(code, dict(names)) if code is not None else None)


def _unnested(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements of a module, those under `if`, `try` and `with` included."""
    waiting: list[ast.AST] = list(reversed(tree.body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt):
            yield node
        if isinstance(node, (ast.If, ast.Try, ast.With, ast.ExceptHandler)):
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))
