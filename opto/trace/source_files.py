"""Where the functions of a file stand, read once with `ast`.

An index keeps line numbers only, not the tree: it stays small, and decorating a thousand functions of a file parses
it once.
"""

from __future__ import annotations

import ast
import linecache
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from opcode import opmap
from types import CodeType, FrameType
from typing import Any

from opto.sandbox import text_of

__all__ = ["Decorator", "Definition", "FileIndex", "Lambda", "index_of"]


@dataclass(frozen=True)
class Decorator:
    """A decorator: the lines of its expression, and whether what it calls has a name that ends in `bundle`."""

    line: int
    end_line: int
    is_bundle: bool


@dataclass(frozen=True)
class Definition:
    """A `def` or `async def`.

    Attributes:
        name: its name.
        line: the line of `def`.
        first_line: the line of the first decorator, or of `def`.
        end_line: the last line of the last statement.
        decorators: from the top down.
    """

    name: str
    line: int
    first_line: int
    end_line: int
    decorators: tuple[Decorator, ...]

    def being_applied(self, frame: FrameType) -> int | None:
        """Which of the decorators a frame of this file is applying now, if any."""
        if sys.version_info < (3, 11):
            return self._being_applied_by_code(frame)
        for position, decorator in enumerate(self.decorators):
            if decorator.line <= frame.f_lineno <= decorator.end_line:
                return position
        return None

    def _being_applied_by_code(self, frame: FrameType) -> int | None:
        """Python 3.10 applies decorators on the line of `def`, by a row of calls after the function is made."""
        if frame.f_lineno != self.line:
            return None
        code, place, calls = frame.f_code.co_code, frame.f_lasti, 0
        while code[place] == opmap["CALL_FUNCTION"]:
            calls, place = calls + 1, place - 2
        position = len(self.decorators) - calls
        return position if calls and position >= 0 and code[place] == opmap["MAKE_FUNCTION"] else None


@dataclass(frozen=True)
class Lambda:
    """A lambda: where it and its body stand (columns in bytes), and the variable it is assigned to, if any."""

    line: int
    column: int
    end_line: int
    end_column: int
    body: tuple[int, int, int, int]
    target: str | None


class FileIndex:
    """The functions of one text.

    Args:
        lines: the lines of the text, each with its line feed.

    Raises:
        SyntaxError, ValueError: the text is no Python.
    """

    def __init__(self, lines: list[str]) -> None:
        self.lines = [line[:-2] + "\n" if line.endswith("\r\n") else line for line in lines]
        self._definitions: dict[tuple[str, int], Definition] = {}
        self._decorated: dict[int, Definition] = {}  # by each line from the first decorator to `def`
        self._lambdas: dict[int, list[Lambda]] = {}
        tree = ast.parse("".join(self.lines))
        targets: dict[ast.Lambda, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                targets.update(dict.fromkeys(_lambdas_of(node.value), node.targets[0].id))
            elif isinstance(node, ast.AnnAssign) and node.value and isinstance(node.target, ast.Name):
                targets.update(dict.fromkeys(_lambdas_of(node.value), node.target.id))
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                definition = _definition(node)
                self._definitions[definition.name, definition.first_line] = definition
                if definition.decorators:
                    lines_above = range(definition.first_line, definition.line + 1)
                    self._decorated.update(dict.fromkeys(lines_above, definition))
            elif isinstance(node, ast.Lambda):
                self._lambdas.setdefault(node.lineno, []).append(_lambda(node, targets.get(node)))

    def definition_of(self, code: CodeType) -> Definition | None:
        """The definition that this code was compiled from."""
        return self._definitions.get((code.co_name, code.co_firstlineno))

    def decorated_by(self, frame: FrameType) -> tuple[Definition, int] | None:
        """The definition that this frame is applying a decorator to, and which of its decorators that is."""
        definition = self._decorated.get(frame.f_lineno)
        position = definition.being_applied(frame) if definition is not None else None
        return (definition, position) if definition is not None and position is not None else None

    def enclosing(self, line: int) -> Definition | None:
        """The innermost definition around a line."""
        around = [each for each in self._definitions.values() if each.first_line <= line <= each.end_line]
        return max(around, key=lambda each: each.first_line, default=None)

    def lambda_of(self, code: CodeType) -> Lambda | None:
        """The lambda expression that this code was compiled from."""
        candidates = self._lambdas.get(code.co_firstlineno, [])
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        if hasattr(code, "co_positions"):
            return _by_position(candidates, code)
        return self._by_code(candidates, code)

    def segment(self, line: int, column: int, end_line: int, end_column: int) -> str:
        """The text between two positions; columns count bytes."""
        lines = [text.encode() for text in self.lines[line - 1 : end_line]]
        lines[-1] = lines[-1][:end_column]
        lines[0] = lines[0][column:]
        return b"".join(lines).decode()

    def _by_code(self, candidates: list[Lambda], code: CodeType) -> Lambda | None:
        """Python 3.10 knows no columns: compile the file with each candidate on a line of its own, and compare."""
        tree = ast.parse("".join(self.lines))
        places = {(each.line, each.column): number for number, each in enumerate(candidates)}
        marked = len(self.lines) + 1_000_000
        for node in ast.walk(tree):
            if isinstance(node, ast.Lambda) and (node.lineno, node.col_offset) in places:
                node.lineno = node.end_lineno = marked + places[node.lineno, node.col_offset]
        for found in _codes(compile(tree, "", "exec", dont_inherit=True)):
            if found.co_firstlineno >= marked and found.co_name == "<lambda>" and _same(found, code):
                return candidates[found.co_firstlineno - marked]
        return None


def index_of(code: CodeType, module: dict[str, Any] | None = None) -> FileIndex | None:
    """The index of the text that a code object was compiled from, or None where the text is not known.

    Args:
        code: the code of a function.
        module: the globals of the function, through which an importer may give the text.
    """
    text = text_of(code)
    if text is not None:
        return _CACHE.get(code.co_filename, [f"{line}\n" for line in text.split("\n")])
    linecache.checkcache(code.co_filename)
    return _CACHE.get(code.co_filename, linecache.getlines(code.co_filename, module))


class _Cache:
    """The indexes of the files that were asked for last."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[str, tuple[list[str], FileIndex | None]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, filename: str, lines: list[str]) -> FileIndex | None:
        """The index of these lines; the lines of a file are one list object for as long as the file does not change."""
        with self._lock:
            entry = self._entries.get(filename)
            if entry is None or (entry[0] is not lines and entry[0] != lines):
                entry = (lines, _index(lines))
                self._entries[filename] = entry
                if len(self._entries) > self._size:
                    self._entries.popitem(last=False)
            self._entries.move_to_end(filename)
            return entry[1]


_CACHE = _Cache(size=32)


def _index(lines: list[str]) -> FileIndex | None:
    try:
        return FileIndex(lines) if lines else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # edited since it was run, or not Python: there is no source to show


def _definition(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Definition:
    decorators = tuple(
        Decorator(each.lineno, each.end_lineno or each.lineno, _is_bundle(each)) for each in node.decorator_list
    )
    first = decorators[0].line if decorators else node.lineno
    return Definition(node.name, node.lineno, first, node.end_lineno or node.lineno, decorators)


def _is_bundle(decorator: ast.expr) -> bool:
    while isinstance(decorator, ast.Call):
        decorator = decorator.func
    name = decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
    return str(name).endswith("bundle")


def _lambda(node: ast.Lambda, target: str | None) -> Lambda:
    return Lambda(*_span(node), _span(node.body), target)


def _span(node: ast.expr) -> tuple[int, int, int, int]:
    return node.lineno, node.col_offset, node.end_lineno or node.lineno, node.end_col_offset or node.col_offset


def _lambdas_of(value: ast.expr) -> Iterator[ast.Lambda]:
    """The lambda that an assigned expression is, or that it wraps in calls."""
    if isinstance(value, ast.Lambda):
        yield value
    elif isinstance(value, ast.Call):
        for argument in value.args:
            yield from _lambdas_of(argument)


def _by_position(candidates: list[Lambda], code: CodeType) -> Lambda | None:
    """The candidate whose body holds every instruction of the code; the innermost, if one stands inside another."""
    spans = [
        ((line, column), (end_line, end_column))
        for line, end_line, column, end_column in code.co_positions()  # type: ignore[attr-defined, unused-ignore]
        if None not in (line, end_line, column, end_column) and (column, end_column) != (0, 0)
    ]
    fitting = [
        each for each in candidates if all(each.body[:2] <= start and end <= each.body[2:] for start, end in spans)
    ]
    return max(fitting, key=lambda each: each.body[:2], default=None)


def _codes(code: CodeType) -> Iterator[CodeType]:
    waiting = [code]
    while waiting:
        each = waiting.pop()
        yield each
        waiting.extend(item for item in each.co_consts if isinstance(item, CodeType))


def _same(one: CodeType, other: CodeType) -> bool:
    """Whether two code objects do the same, wherever they stand."""
    if (one.co_code, one.co_names, one.co_varnames) != (other.co_code, other.co_names, other.co_varnames):
        return False
    if (one.co_freevars, one.co_cellvars, one.co_argcount) != (other.co_freevars, other.co_cellvars, other.co_argcount):
        return False
    if len(one.co_consts) != len(other.co_consts):
        return False
    for mine, theirs in zip(one.co_consts, other.co_consts, strict=True):
        if isinstance(mine, CodeType) and isinstance(theirs, CodeType):
            if not _same(mine, theirs):
                return False
        elif type(mine) is not type(theirs) or mine != theirs:
            return False
    return True
