"""Tests as text: each is found by its name, and its assertions are made to say what the values were."""

from __future__ import annotations

import ast
from collections.abc import Sequence

__all__ = ["Tests", "parsed_tests"]

_CALL = "_opto_run_test"
_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}
_LONGEST = 300


class Tests:
    """Tests that were parsed.

    Attributes:
        names: of the tests, in their order.
        text: their source, which also defines the function of that is called `call`.
        call: the name of a function that runs the test of a given name.
    """

    def __init__(self, names: list[str], text: str) -> None:
        self.names, self.call = names, _CALL
        table = ", ".join(f"{name!r}: {name}" for name in names)
        self.text = f"{text}\n\n\ndef {_CALL}(name):\n    {{{table}}}[name]()\n"


def parsed_tests(tests: str | Sequence[str]) -> Tests:
    """The tests of a text, or of several statements.

    Args:
        tests: source text with functions whose names begin with `test`; or a list of statements, as
            `"assert add(1, 2) == 3"`, each a test.

    Raises:
        TypeError: it is neither.
        ValueError: it does not parse, holds no test, or a test that takes arguments or is a coroutine function.
    """
    if isinstance(tests, str):
        tree = _parsed(tests)
    elif isinstance(tests, Sequence) and all(isinstance(each, str) for each in tests):
        tree = ast.Module([_function(number, each) for number, each in enumerate(tests, 1)], [])
    else:
        raise TypeError(f"tests must be source text, or a list of statements, got {tests!r:.200}.")
    names = [_checked(each) for each in tree.body if _is_test(each)]
    if not names:
        raise ValueError("tests must define at least one function whose name begins with 'test', got none.")
    told = ast.fix_missing_locations(_Telling().visit(tree))
    return Tests(list(dict.fromkeys(names)), ast.unparse(told))


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"tests must be Python, got {text!r:.200}: {error}.") from error


def _function(number: int, statement: str) -> ast.stmt:
    [function] = ast.parse(f"def test_{number}(): pass").body
    assert isinstance(function, ast.FunctionDef)
    function.body = _parsed(statement).body or function.body
    return function


def _is_test(statement: ast.stmt) -> bool:
    return isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) and statement.name.startswith("test")


def _checked(statement: ast.stmt) -> str:
    assert isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef))
    arguments = statement.args
    needed = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
    if needed or any(default is None for default in arguments.kw_defaults):
        raise ValueError(f"tests: {statement.name} must take no arguments.")
    if isinstance(statement, ast.AsyncFunctionDef):
        raise ValueError(f"tests: {statement.name} must be a plain function, and is a coroutine function.")
    return statement.name


class _Telling(ast.NodeTransformer):
    """Gives assertions without a message one, with the values on both sides of a comparison."""

    def visit_Assert(self, node: ast.Assert) -> ast.AST | list[ast.stmt]:
        if node.msg is not None:
            return node
        test, text = node.test, _shortened(ast.unparse(node.test))
        if not (isinstance(test, ast.Compare) and len(test.ops) == 1):
            return ast.Assert(node.test, ast.Constant(f"{text} does not hold"))
        operator = _OPERATORS[type(test.ops[0])]
        left, right = "_opto_left", "_opto_right"
        telling = ast.parse(
            f"if not ({left} {operator} {right}):\n"
            f"    raise AssertionError({text!r} + ' does not hold: the left side is ' + repr({left})[:{_LONGEST}]"
            f" + ', the right side is ' + repr({right})[:{_LONGEST}])"
        ).body
        return [
            ast.Assign([ast.Name(left, ast.Store())], test.left),
            ast.Assign([ast.Name(right, ast.Store())], test.comparators[0]),
            *telling,
        ]


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
