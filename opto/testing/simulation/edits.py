"""Every small edit of some code.

The edits are those a reader tries first: an operator or a comparison flipped, a number off by one, a base case, two
names confused.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

__all__ = ["edits", "mutants"]

_PAIRS_TRIED = 400
_SOURCES_KEPT = 20_000


@lru_cache(_SOURCES_KEPT)
def mutants(source: str) -> tuple[str, ...]:
    """Every text that one small edit makes of a source, in the order of the places; none if it does not parse."""
    try:
        text = ast.unparse(ast.parse(source))
    except (SyntaxError, ValueError):
        return ()
    tree = ast.parse(text)
    names, parts, found = _names(tree), _parts(tree, text), []
    for target in [*ast.walk(tree)]:
        kept, part = dict(vars(target)), parts.get(target)
        for change in [*_changes(target, names)]:
            change(target)
            found.append(part.before + ast.unparse(part.node) + part.after if part else ast.unparse(tree))
            vars(target).update(kept)  # many times quicker than to make each change in a tree of its own
    return tuple(dict.fromkeys(found))


def edits(source: str, rng: random.Random) -> Iterator[str]:
    """One edit, in any order; then two."""
    single = [*mutants(source)]
    rng.shuffle(single)
    yield from single
    count = 0
    for first in single:
        for second in mutants(first):
            if count >= _PAIRS_TRIED:
                return
            count += rng.random() < 0.5
            yield second


@dataclass(frozen=True)
class _Part:
    """A part of a text that can be written anew alone, which takes a fraction of the time; and what is around it."""

    node: ast.AST
    before: str
    after: str


def _parts(tree: ast.AST, text: str) -> dict[ast.AST, _Part]:
    """The part in which a node is: a statement, or of one that holds others an expression at its head."""
    content = text.encode()
    lines = [0, *accumulate(map(len, content.splitlines(keepends=True)))]
    found: dict[ast.AST, _Part] = {}

    def part(node: Any) -> _Part | None:
        start, end = lines[node.lineno - 1] + node.col_offset, lines[node.end_lineno - 1] + node.end_col_offset
        alone = content[start:end].decode() == ast.unparse(node)  # else its brackets depend on what is around it
        return _Part(node, content[:start].decode(), content[end:].decode()) if alone else None

    def visit(node: ast.AST, within: _Part | None) -> None:
        for child in ast.iter_child_nodes(node):
            own = within
            if isinstance(child, ast.stmt):
                own = None if hasattr(child, "body") or hasattr(child, "cases") else part(child)
            elif within is None and isinstance(node, ast.stmt) and isinstance(child, ast.expr):
                own = part(child)
            if own:
                found[child] = own
            visit(child, own)

    visit(tree, None)
    return found


def _changes(node: ast.AST, names: set[str]) -> Iterator[Callable[[Any], None]]:
    if isinstance(node, (ast.BinOp, ast.AugAssign)):
        for operation in _BINARY.get(type(node.op), ()):
            yield _setting("op", operation())
        if isinstance(node, ast.BinOp):
            yield _exchanged
    elif isinstance(node, ast.Compare):
        for comparison in _COMPARISONS.get(type(node.ops[0]), ()):
            yield _setting("ops", [comparison(), *node.ops[1:]])
    elif isinstance(node, ast.BoolOp):
        yield _setting("op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.Constant):
        for value in _other_constants(node.value):
            yield _setting("value", value)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        for name in sorted(names - {node.id}):
            yield _setting("id", name)
    elif isinstance(node, (ast.Return, ast.Call)):
        yield from _around(node)


_BINARY: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add,),
    ast.Div: (ast.FloorDiv, ast.Mult),
    ast.FloorDiv: (ast.Mod, ast.Div),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
}
_COMPARISONS: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.Gt, ast.GtE),
    ast.LtE: (ast.Lt, ast.GtE, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt, ast.LtE),
    ast.GtE: (ast.Gt, ast.LtE, ast.Lt),
    ast.Eq: (ast.NotEq, ast.LtE, ast.GtE),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}


def _other_constants(value: Any) -> tuple[Any, ...]:
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, (int, float)):
        return tuple(dict.fromkeys(other for other in (value + 1, value - 1, -value) if other != value))
    return ()


def _names(tree: ast.AST) -> set[str]:
    """The names that the code gives values to."""
    given = {each.arg for each in ast.walk(tree) if isinstance(each, ast.arg)}
    return given | {
        each.id for each in ast.walk(tree) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }


def _setting(attribute: str, value: Any) -> Callable[[Any], None]:
    return lambda target: setattr(target, attribute, value)


def _exchanged(target: ast.BinOp) -> None:
    target.left, target.right = target.right, target.left


def _around(node: ast.Return | ast.Call) -> Iterator[Callable[[Any], None]]:
    """An added or dropped one, where a count is off by one: of what is returned, and of the bounds of a range."""
    if isinstance(node, ast.Return):
        if node.value is None:
            return
        for operation in (ast.Add(), ast.Sub()):
            yield _setting("value", ast.BinOp(node.value, operation, ast.Constant(1)))
    elif isinstance(node.func, ast.Name) and node.func.id == "range":
        for at, argument in enumerate(node.args):
            for operation in (ast.Add(), ast.Sub()):
                arguments = [*node.args]
                arguments[at] = ast.BinOp(argument, operation, ast.Constant(1))
                yield _setting("args", arguments)
