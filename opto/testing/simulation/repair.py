"""Better code: small edits of the code that is shown, until the test cases stated in the feedback pass.

The edits are those a reader tries first: an operator or a comparison flipped, a number off by one, a base case, two
names confused. No repaired program is known beforehand.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType
from typing import Any

from .limits import limited
from .request import Task, Variable, is_rejected, past_values

__all__ = ["mutants", "passed", "repaired_code", "stated_cases"]

_PAIRS_TRIED = 400
# The same edits are tried for one request after another, and running one under its limits is what takes time.
_RUNS_KEPT, _SOURCES_KEPT = 400_000, 20_000
_EXPECTED = re.compile(
    r"^(?:[^\n;]*?)(?:\bshould\b(?: \w+)?|\bexpected(?: value| result| to be| to return)?|\bmust (?:be|return|give)"
    r"|==|->|\bright is)\s*:?\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Case:
    """A call of the function as text, and the value it should give; cases are equal if they are written alike."""

    call: str
    expected: Any = field(compare=False)
    written: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "written", repr(self.expected))


def repaired_code(variable: Variable, task: Task, rng: random.Random) -> str:
    """The first edit of the shown code that passes all stated cases; else the one that passes most of them."""
    cases = _all_cases(variable, task)
    tried = {_plain(text) for text, _ in past_values(task, variable)}
    best, best_count = variable.text, passed(variable.text, cases)
    for edited in _edits(variable.text, rng):
        if edited in tried or is_rejected(task, variable, edited):
            continue
        count = _passed_at_least(edited, cases, best_count)
        if count > best_count or (count == best_count == 0 and best == variable.text and not cases):
            best, best_count = edited, count
        if cases and best_count == len(cases):
            break
    return best


def _plain(source: str) -> str:
    """The source without its layout, as edits are written."""
    try:
        return ast.unparse(ast.parse(source))
    except (SyntaxError, ValueError):
        return source


def _all_cases(variable: Variable, task: Task) -> list[Case]:
    name = _function_name(variable.text)
    found: dict[str, Case] = {}
    for said in task.all_feedback:
        for case in stated_cases(said, name):
            found[case.call] = case
    return [*found.values()]


def cases_of(variable: Variable, task: Task) -> list[Case]:
    """The test cases that the request states for a code variable, also those of past attempts."""
    return _all_cases(variable, task)


def _function_name(source: str) -> str:
    found = re.search(r"def (\w+)\(", source)
    return found[1] if found else ""


# ---- test cases in words


def stated_cases(said: str, name: str) -> list[Case]:
    """The calls of the function in a feedback for which it says what they should give."""
    cases = []
    for match in re.finditer(rf"\b{re.escape(name)}\(", said) if name else ():
        end = _closing(said, match.end() - 1)
        if end is None:
            continue
        rest = said[end:].split("\n", 1)[0]
        following = re.search(rf"\b{re.escape(name)}\(", rest)
        found = _EXPECTED.match(rest[: following.start()] if following else rest)
        value = _leading_value(rest[found.end() :]) if found else None
        call = said[match.start() : end]
        if value is not None and _literal_arguments(call):
            cases.append(Case(call, value[0]))
    return cases


def _closing(text: str, opening: int) -> int | None:
    """The place behind the bracket that closes the one at `opening`."""
    depth, quote = 0, ""
    for place in range(opening, min(len(text), opening + 2000)):
        character = text[place]
        if quote:
            quote = "" if character == quote and text[place - 1] != "\\" else quote
        elif character in "\"'":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth == 0:
                return place + 1
    return None


def _leading_value(text: str) -> tuple[Any] | None:
    """The longest Python value that the text begins with."""
    line = text.strip()
    for end in range(len(line), 0, -1):
        try:
            return (ast.literal_eval(line[:end].rstrip(" .,;")),)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return None


def _literal_arguments(call: str) -> bool:
    try:
        tree = ast.parse(call, mode="eval").body
        if not isinstance(tree, ast.Call):
            return False
        for argument in [*tree.args, *(each.value for each in tree.keywords)]:
            ast.literal_eval(argument)
    except (ValueError, SyntaxError, TypeError):
        return False
    return True


# ---- trying


def passed(source: str, cases: Sequence[Case]) -> int:
    """How many cases the source passes; 0 when it does not even compile."""
    return sum(_passes(source, case) for case in cases)


def _passed_at_least(source: str, cases: Sequence[Case], least: int) -> int:
    """How many cases the source passes, or -1 as soon as these can only be fewer than the least."""
    count, failures = 0, 0
    for case in cases:
        if _passes(source, case):
            count += 1
        else:
            failures += 1
            if failures > len(cases) - least:
                return -1
    return count


@lru_cache(_RUNS_KEPT)
def _passes(source: str, case: Case) -> bool:
    namespace: dict[str, Any] = {}
    try:
        candidate, call = _compiled(source, "exec"), _compiled(case.call, "eval")
        limited(lambda: exec(candidate, namespace))
        result = limited(lambda: eval(call, namespace))
    except Exception:
        return False
    return type(result) is type(case.expected) and bool(result == case.expected)


@lru_cache(_SOURCES_KEPT)
def _compiled(text: str, mode: str) -> CodeType:
    code: CodeType = compile(text, "<candidate>" if mode == "exec" else "<case>", mode)
    return code


# ---- edits


@lru_cache(_SOURCES_KEPT)
def mutants(source: str) -> tuple[str, ...]:
    """Every text that one small edit makes of a source, in the order of the places; none if it does not parse."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ()
    found = []
    for target in [*ast.walk(tree)]:
        kept = dict(vars(target))
        for change in [*_changes(target, tree)]:
            change(target)
            found.append(ast.unparse(tree))
            vars(target).update(kept)  # many times quicker than to make each change in a tree of its own
    return tuple(dict.fromkeys(found))


def _edits(source: str, rng: random.Random) -> Iterator[str]:
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


def _changes(node: ast.AST, tree: ast.AST) -> Iterator[Callable[[Any], None]]:
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
        for name in sorted(_names(tree) - {node.id}):
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
