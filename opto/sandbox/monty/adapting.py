"""What is changed in a text before the Monty interpreter gets it, and what is put in front of it.

Monty runs a part of Python. Where it does something else than Python does, or lacks something that can be said in
another way, the text says it in another way, on the same line:

- a generator expression is a list in Monty; it becomes an iterator over that list, which `next` takes, and which is
  used up once (that all of its items are computed at once remains);
- a method reached through its built-in class, as in `map(str.strip, lines)`, becomes a function that calls it, for
  sets with any number of others, as in `set.union(*sets)`;
- `del a[key]` becomes a call that takes the item out;
- an import of a module that `library` has in Python becomes an assignment.
"""

from __future__ import annotations

import ast
import builtins
import functools
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from types import MethodDescriptorType

__all__ = ["LIBRARY", "Adapted", "adapt", "library_text", "passed_by"]

LIBRARY = frozenset({"cmath", "heapq", "operator", "string"})

_ITERATOR, _METHOD, _DELETE, _FOLD = "__opto_iter", "__opto_method", "__opto_delete", "__opto_fold"
_FOLDED = frozenset({"difference", "intersection", "union"})
# Special methods that Monty passes by, some of them without a word.
_PASSED_BY = frozenset(
    {
        *("__bool__", "__bytes__", "__class_getitem__", "__complex__", "__del__", "__delattr__", "__delitem__"),
        *("__format__", "__ge__", "__get__", "__getattr__", "__getattribute__", "__gt__", "__iadd__", "__iand__"),
        *("__ifloordiv__", "__ilshift__", "__imatmul__", "__imod__", "__imul__", "__init_subclass__", "__ior__"),
        *("__ipow__", "__irshift__", "__isub__", "__itruediv__", "__ixor__", "__le__", "__len__", "__lt__"),
        *("__missing__", "__ne__", "__new__", "__reversed__", "__set__", "__set_name__", "__setattr__"),
    }
)
_HELPERS = {
    _ITERATOR: f"{_ITERATOR} = iter\n",
    _METHOD: f"""\
def {_METHOD}(kind, name, call, isinstance=isinstance, type=type, TypeError=TypeError):
    def method(self, *args, **kwargs):
        if not isinstance(self, kind):
            raise TypeError("descriptor '" + name + "' for '" + kind.__name__ + "' objects doesn't apply to a '"
                + type(self).__name__ + "' object")
        return call(self, *args, **kwargs)
    return method
""",
    _FOLD: f"""\
def {_FOLD}(start, others, step):
    start = start.copy()
    for each in others:
        start = step(start, each)
    return start
""",
    _DELETE: f"""\
def {_DELETE}(container, key, type=type, dict=dict, list=list, len=len):
    if type(container) is list and not -len(container) <= key < len(container):
        raise IndexError('list assignment index out of range')
    container.pop(key)
""",
}


@dataclass(frozen=True)
class Adapted:
    """A text as Monty gets it.

    Attributes:
        text: the text, with as many lines as before.
        prelude: what has to stand in front of it.
    """

    text: str
    prelude: str


def adapt(text: str, tree: ast.Module) -> Adapted:
    """Adapt a text that parses.

    Args:
        text: the text.
        tree: what it parses to.
    """
    changes = _Changes(text, tree)
    changes.visit(tree)
    helpers = "".join(_HELPERS[name] for name in sorted(changes.helpers))
    modules = "".join(library_text(name) for name in sorted(changes.modules))
    return Adapted(changes.applied(), helpers + modules)


def passed_by(tree: ast.Module) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """A special method of a class of the text that would have no effect in Monty, if there is one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for each in node.body:
                if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)) and each.name in _PASSED_BY:
                    return each
    return None


@functools.cache
def library_text(name: str) -> str:
    """Python that binds `__opto_NAME` to a module of the library, without leaving other names behind."""
    path = Path(__file__).parent / "library" / f"{name}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    public: list[str] = []
    body: list[ast.stmt] = []
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            public = ast.literal_eval(statement.value)
            continue
        if isinstance(statement, ast.ImportFrom) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        ):  # for annotations only; a docstring
            continue
        body.append(_Bare().visit(statement))
    lines = ast.unparse(ast.Module(body, [])).split("\n")
    given = [f"module.{each} = {each}" for each in public]
    inside = "\n".join(f" {line}" for line in [*lines, "class module: pass", "module = module()", *given])
    return f"def __opto_{name}():\n{inside}\n return module\n__opto_{name} = __opto_{name}()\n"


class _Bare(ast.NodeTransformer):
    """Takes off annotations and docstrings."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.returns = None
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:]
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        assert node.value is not None
        return ast.copy_location(ast.Assign([node.target], node.value), node)


class _Changes(ast.NodeVisitor):
    """Collects pieces of the text to replace, none inside another."""

    def __init__(self, text: str, tree: ast.Module) -> None:
        self.helpers: set[str] = set()
        self.modules: set[str] = set()
        self._text = text
        self._starts = list(_starts(text))
        self._pieces: list[tuple[int, int, str]] = []
        self._assigned = _assigned(tree)

    def applied(self) -> str:
        """The text with the pieces replaced."""
        parts: list[str] = []
        place = 0
        for start, end, replacement in sorted(self._pieces, key=lambda piece: piece[:2]):
            parts += [self._text[place:start], replacement]
            place = end
        return "".join([*parts, self._text[place:]])

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Before Python 3.12, what stands in an f-string does not know its place."""

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        start, end = self._span(node)
        if (
            self._text[start] == "("
            and self._text[end - 1] == ")"
            and not any(each.is_async for each in node.generators)
        ):
            self.helpers.add(_ITERATOR)
            self._pieces += [(start, start, f"({_ITERATOR}"), (end, end, ")")]
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name) and self._is_method(node.value.id, node.attr):
            start, end = self._span(node)
            _, dot = self._span(node.value)
            lines = "\n" * self._text.count("\n", dot, end)
            if node.attr in _FOLDED:
                call = f"lambda self, *others: {_FOLD}(self, others, lambda one, other: one.{node.attr}(other))"
                self.helpers.add(_FOLD)
            else:
                call = f"lambda self, *args, **kwargs: self.{node.attr}(*args, **kwargs)"
            self.helpers.add(_METHOD)
            self._pieces += [
                (start, start, f"{_METHOD}("),
                (dot, end, f", {node.attr!r}, {lines}{call})"),
            ]
        self.generic_visit(node)

    def _is_method(self, kind: str, name: str) -> bool:
        if kind in self._assigned or name.startswith("_"):
            return False
        cls = getattr(builtins, kind, None)
        method = vars(cls).get(name) if isinstance(cls, type) else None
        return isinstance(method, MethodDescriptorType)

    def visit_Delete(self, node: ast.Delete) -> None:
        target = node.targets[0]
        if len(node.targets) == 1 and isinstance(target, ast.Subscript):
            start, end = self._span(node)
            container, container_end = self._span(target.value)
            key, key_end = self._span(target.slice)
            if self._text[container_end:key].strip() == "[":
                self._delete(target, (start, container), (container_end, key), (key_end, end))
        self.generic_visit(node)

    def _delete(
        self, target: ast.Subscript, before: tuple[int, int], between: tuple[int, int], after: tuple[int, int]
    ) -> None:
        if any("\n" in self._text[start:end] for start, end in (before, between, after)):
            return
        if isinstance(target.slice, ast.Slice):
            self._pieces += [(*before, ""), (after[1], after[1], " = []")]
            return
        self.helpers.add(_DELETE)
        self._pieces += [(*before, f"{_DELETE}("), (*between, ", "), (*after, ")")]

    def visit_Import(self, node: ast.Import) -> None:
        if not any(each.name in LIBRARY for each in node.names):
            return
        statements: list[str] = []
        for each in node.names:
            name = f"{each.name} as {each.asname}" if each.asname else each.name
            if each.name in LIBRARY:
                self.modules.add(each.name)
                statements.append(f"{each.asname or each.name} = __opto_{each.name}")
            else:
                statements.append(f"import {name}")
        start, end = self._span(node)
        self._pieces.append((start, end, self._on_as_many_lines("; ".join(statements), start, end)))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module not in LIBRARY or node.level or node.names[0].name == "*":
            return
        self.modules.add(node.module)
        assigned = [f"{each.asname or each.name} = __opto_{node.module}.{each.name}" for each in node.names]
        start, end = self._span(node)
        self._pieces.append((start, end, self._on_as_many_lines("; ".join(assigned), start, end)))

    def _on_as_many_lines(self, statements: str, start: int, end: int) -> str:
        """A statement that was written on several lines, on as many."""
        return statements + "\\\n" * self._text.count("\n", start, end)

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._place(node.lineno, node.col_offset), self._place(node.end_lineno, node.end_col_offset)

    def _place(self, line: int, column: int) -> int:
        """Where a position stands in the text; `ast` counts columns in bytes."""
        start = self._starts[line - 1]
        if self._text.isascii():
            return start + column
        end = self._starts[line] if line < len(self._starts) else len(self._text)
        return start + len(
            self._text[start:end].encode("utf-8", "surrogatepass")[:column].decode("utf-8", "surrogatepass")
        )


def _starts(text: str) -> Iterator[int]:
    """Where the lines begin, as Python's parser counts them."""
    yield 0
    for place, each in enumerate(text):
        if each == "\n" or (each == "\r" and text[place + 1 : place + 2] != "\n"):
            yield place + 1


def _assigned(tree: ast.Module) -> Set[str]:
    """Every name that is bound anywhere in the text, in whatever scope."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
    return names
