"""Better code: small edits of the code that is shown, until the test cases stated in the feedback pass.

No repaired program is known beforehand.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Sequence
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

from .edits import edits
from .limits import limited
from .request import Task, Variable, is_rejected, past_values

__all__ = ["cases_of", "passed", "repaired_code", "stated_cases"]

# The same edits are tried for one request after another, and running one under its limits is what takes time.
_RUNS_KEPT, _SOURCES_KEPT = 400_000, 20_000
_EXPECTED = re.compile(
    r"^(?:[^\n;]*?)(?:\bshould\b(?: \w+)?|\bexpected(?: value| result| to be| to return)?|\bmust (?:be|return|give)"
    r"|==|->|\bright is)\s*:?\s*",
    re.IGNORECASE,
)


class Case(NamedTuple):
    """A call of the function, and the value it should give, both as they are written."""

    call: str
    written: str

    @property
    def expected(self) -> Any:
        """The value."""
        return ast.literal_eval(self.written)


def repaired_code(variable: Variable, task: Task, rng: random.Random) -> str:
    """The first edit of the shown code that passes all stated cases; else the one that passes most of them."""
    cases = cases_of(variable, task)
    tried = {_plain(text) for text, _ in past_values(task, variable)}
    best, best_count = variable.text, passed(variable.text, cases)
    cases.sort(key=lambda case: _passes(best, case))  # an edit that mends none of those that fail is done with early
    for edited in edits(variable.text, rng):
        if edited in tried or is_rejected(task, variable, edited):
            continue
        count = _passed_at_least(edited, cases, best_count + 1)
        if count > best_count or (best == variable.text and not cases):
            best, best_count = edited, count
        if cases and best_count == len(cases):
            break
    return best


@lru_cache(_SOURCES_KEPT)
def _plain(source: str) -> str:
    """The source without its layout, as edits are written."""
    try:
        return ast.unparse(ast.parse(source))
    except (SyntaxError, ValueError):
        return source


def cases_of(variable: Variable, task: Task) -> list[Case]:
    """The test cases that the request states for a code variable, also those of past attempts."""
    name = _function_name(variable.text)
    found: dict[str, Case] = {}
    for said in task.all_feedback:
        for case in stated_cases(said, name):
            found[case.call] = case
    return [*found.values()]


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
        written = _leading_value(rest[found.end() :]) if found else ""
        call = said[match.start() : end]
        if written and _literal_arguments(call):
            cases.append(Case(call, written))
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


def _leading_value(text: str) -> str:
    """The longest Python value that the text begins with, as it is written; "" if it begins with none."""
    line = text.strip()
    for end in range(len(line), 0, -1):
        written = line[:end].rstrip(" .,;")
        try:
            ast.literal_eval(written)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        return written
    return ""


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
    namespace = _defined(source)
    if namespace is None:
        return False
    try:
        # Nothing but the function by its name, with literals (`_literal_arguments`).
        result, expected = limited(lambda: eval(_compiled(case.call), namespace)), case.expected
        return type(result) is type(expected) and bool(result == expected)
    except Exception:
        return False


@lru_cache(_SOURCES_KEPT)
def _defined(source: str) -> dict[str, Any] | None:
    """The names that a source defines; None if it cannot be executed."""
    namespace: dict[str, Any] = {}
    try:
        # Trusted as the program under test is, which runs in this process too: the source is that program's, or this
        # simulation's edit of it, with one or two operators, names or numbers changed; no real model was asked. An edit
        # may make it run on or count without end, hence the limits, which are no wall against hostile code.
        limited(lambda: exec(compile(source, "<candidate>", "exec"), namespace))
    except Exception:
        return None
    return namespace


@lru_cache(_SOURCES_KEPT)
def _compiled(call: str) -> CodeType:
    code: CodeType = compile(call, "<case>", "eval")
    return code
