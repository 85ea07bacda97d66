"""From the text of a module to a function that builds what the text defines.

A text that a model wrote has to see the names of the person's module as they are when they are used, and must not
leave its own names there. Neither a copy of the module's namespace (it goes stale) nor a dict with `__missing__` (the
interpreter then drops its fast look-up of globals and builtins, and `LOAD_NAME` in a class body passes it by on
Python 3.10 to 3.12) gives that. So the text becomes the body of a function, the factory, whose globals are the
module's own dict:

    text                        factory
    import math                 def factory(limit):             # limit: a captured local variable that the text reads
    def area(r):                    import math
        return math.pi * r          def area(r): return math.pi * r
                                    return area

Names that the text binds are locals of the factory, and its functions reach them as closures. What differs from a
module: `globals()` shows the person's module, and a class body of the text cannot read a name of the text that it
binds itself (`class C: limit = limit`).
"""

from __future__ import annotations
import __future__

import ast
import importlib
import symtable
from collections.abc import Iterator, Set
from dataclasses import dataclass
from types import CodeType

__all__ = ["Names", "Unit", "build", "names_of", "parse"]

_FACTORY = "__opto_factory__"
_PREFIX = f"{_FACTORY}.<locals>."


@dataclass(frozen=True)
class Names:
    """The names of a text, by what it does with them.

    Attributes:
        bound: bound at the top level of the text.
        read: looked up outside the scope of any function: in the module, or among the text's own.
        read_at_once: read by the top level itself, while the text is being executed.
        declared: declared `global` in a function or class.
    """

    bound: frozenset[str]
    read: frozenset[str]
    read_at_once: frozenset[str]
    declared: frozenset[str]


@dataclass(frozen=True)
class Unit:
    """A text that parses: what a factory is built from."""

    text: str
    filename: str
    names: Names


def parse(text: str, filename: str) -> Unit:
    """Parse a text and sort its names.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: as Python's own compiler does for the text.
    """
    tree = ast.parse(text, filename)
    compile(tree, filename, "exec", dont_inherit=True)  # a `return` outside a function is found by this only
    starred = _Stars()
    starred.visit(tree)
    return Unit(text, filename, names_of(ast.unparse(tree) if starred.found else text, filename))


def names_of(text: str, filename: str) -> Names:
    """Sort the names of a text with Python's own symbol table."""
    top = symtable.symtable(text, filename, "exec")
    symbols = top.get_symbols()
    bound = {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}
    read_at_once = {symbol.get_name() for symbol in symbols if symbol.is_referenced()}
    read, declared = set(read_at_once), set()
    for table in _inner_tables(top):
        for symbol in table.get_symbols():
            if symbol.is_declared_global():
                declared.add(symbol.get_name())
            if symbol.is_global():
                read.add(symbol.get_name())
    return Names(frozenset(bound), frozenset(read), frozenset(read_at_once), frozenset(declared))


def build(
    unit: Unit, name: str, arguments: tuple[str, ...], owned: Set[str], *, postponed: bool, tag: object
) -> CodeType:
    """The code of the factory that executes the text once and returns what it defined as `name`.

    Args:
        unit: the text.
        name: the name to return.
        arguments: names that the factory takes from its caller.
        owned: names declared `global` that belong to the text all the same.
        postponed: leave annotations unevaluated, as the module that the text belongs to does.
        tag: put among the constants of every code object of the text, so that each leads back to the text.
    """
    tree = _Stars().visit(ast.parse(unit.text, unit.filename))
    futures = [statement for statement in tree.body if _is_future(statement)]
    body = [statement for statement in tree.body if not _is_future(statement)]
    owned = owned | unit.names.bound
    body = [_Globals(owned).visit(statement) for statement in body]
    module = ast.parse(f"def {_FACTORY}({', '.join(arguments)}): return {name}", unit.filename)
    factory = module.body[0]
    assert isinstance(factory, ast.FunctionDef)
    never = ast.parse(f"if 0: {' = '.join(sorted(owned))} = 0").body if owned else []  # makes them local to the factory
    factory.body = [*never, *body, *factory.body]
    module.body = [*futures, factory]
    flags = __future__.annotations.compiler_flag if postponed else 0
    compiled = compile(ast.fix_missing_locations(module), unit.filename, "exec", flags=flags, dont_inherit=True)
    code = next(item for item in compiled.co_consts if isinstance(item, CodeType) and item.co_name == _FACTORY)
    return _own_names(code, tag).replace(co_name="<module>")


def _inner_tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    waiting = list(table.get_children())
    while waiting:
        inner = waiting.pop()
        waiting.extend(inner.get_children())
        yield inner


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _own_names(code: CodeType, tag: object) -> CodeType:
    """The code without the factory in qualified names: they show up in error messages."""
    constants: list[object] = []
    for item in code.co_consts:
        if isinstance(item, CodeType):
            item = _own_names(item, tag)
        elif isinstance(item, str):
            item = item.removeprefix(_PREFIX)
        constants.append(item)
    constants = constants or [None]  # the first constant of a function may be taken for its docstring
    code = code.replace(co_consts=(*constants, tag))
    if hasattr(code, "co_qualname"):  # Python 3.11 and later; before, the qualified name is one of the constants
        code = code.replace(co_qualname=code.co_qualname.removeprefix(_PREFIX))
    return code


class _Stars(ast.NodeTransformer):
    """Writes out `from module import *`, which no function may contain."""

    def __init__(self) -> None:
        self.found = False

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        if node.names[0].name != "*" or node.level or node.module is None:
            return node
        self.found = True
        module = importlib.import_module(node.module)
        public = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
        node.names = [ast.copy_location(ast.alias(name), node) for name in public]
        return node


class _Globals(ast.NodeTransformer):
    """Makes `global` statements about the text's own names mean the factory's locals."""

    def __init__(self, owned: Set[str]) -> None:
        self._owned = owned
        self._depth = 0

    def _enter(self, node: ast.AST) -> ast.AST:
        self._depth += 1
        node = self.generic_visit(node)
        self._depth -= 1
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _enter  # noqa: N815 - named by ast

    def visit_Global(self, node: ast.Global) -> ast.AST | list[ast.AST]:
        if not self._depth:
            return ast.copy_location(ast.Pass(), node)
        own = [name for name in node.names if name in self._owned]
        others = [name for name in node.names if name not in self._owned]
        statements: list[ast.AST] = [ast.copy_location(ast.Nonlocal(own), node)] if own else []
        return [*statements, ast.copy_location(ast.Global(others), node)] if others else statements
