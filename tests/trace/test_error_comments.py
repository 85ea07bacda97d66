"""Tests of opto.trace.error_comments."""

from __future__ import annotations

import json
import linecache
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from opto.errors import CodeError, ExecutionError
from opto.sandbox import InProcess
from opto.trace.error_comments import comment_error, describe_error


class OwnError(Exception):
    """An exception of a program."""


def failing(call: Callable[[], Any]) -> BaseException:
    """What a call raises, with the traceback that a runner of it sees."""
    try:
        call()
    except Exception as error:
        return error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)  # without this very frame
    raise AssertionError("nothing was raised")


def comment(source: str, *args: Any, **namespace: Any) -> str:
    """The comment on the error that the function f of a text raises."""
    function = InProcess().compile(source, "f", namespace)
    return comment_error(failing(lambda: function(*args)), function=function)


def written(x: int) -> float:
    """A function of this file."""
    y = [1, x]  # größer
    return y[0] / y[1]


def outer(x: int) -> float:
    """Calls on to another one."""
    return 1 + written(x)


def test_the_failing_line_is_marked() -> None:
    """The source of the function, dedented, with class and message at the end of the line."""
    assert comment_error(failing(lambda: written(0)), function=written) == (
        "def written(x: int) -> float:\n"
        '    """A function of this file."""\n'
        "    y = [1, x]  # größer\n"
        "    return y[0] / y[1] <--- (ZeroDivisionError) division by zero."
    )


def test_nested_calls_follow() -> None:
    """Frames further down are further sources, and outer lines say that the error came from a nested call."""
    text = comment_error(failing(lambda: outer(0)), function=outer)
    first, second = text.split("\n\n")
    assert first.endswith(
        "    return 1 + written(x) <--- (ZeroDivisionError) division by zero. Raised in a nested call."
    )
    assert second.startswith("def written")
    assert second.endswith("    return y[0] / y[1] <--- (ZeroDivisionError) division by zero.")


def test_the_decorator_of_a_bundle_is_left_out() -> None:
    """A bundled function is shown as its code parameter is: inner decorators only."""

    def bundle() -> Callable[[Any], Any]:
        return lambda function: function

    @bundle()  # the function proper follows
    def failing_bundle() -> None:
        raise OwnError("found")

    text = comment_error(failing(failing_bundle), function=failing_bundle)
    assert text == f'def failing_bundle() -> None:\n    raise OwnError("found") <--- ({__name__}.OwnError) found.'


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "def f(x):\n    return [\n        1 / y\n        for y in x\n    ]",
            "def f(x):\n    return [\n        1 / y <--- (ZeroDivisionError) division by zero.\n"
            "        for y in x\n    ]",
        ),
        (
            "def f(x):\n    return sum(1 / y for y in x)",
            "def f(x):\n    return sum(1 / y for y in x) <--- (ZeroDivisionError) division by zero.",
        ),
        (
            "def f(x):\n    return {y: [1 / y] for z in [x] for y in z}",
            "def f(x):\n    return {y: [1 / y] for z in [x] for y in z} <--- (ZeroDivisionError) division by zero.",
        ),
        (
            "def f(x):\n    def g(y):\n        return 1 / y\n    return g(0)",
            "def f(x):\n    def g(y):\n        return 1 / y\n"
            "    return g(0) <--- (ZeroDivisionError) division by zero. Raised in a nested call.\n\n"
            "def g(y):\n    return 1 / y <--- (ZeroDivisionError) division by zero.",
        ),
        (
            "def f(x):\n    h = lambda y: 1 / y\n    return h(0)",
            "def f(x):\n    h = lambda y: 1 / y\n"
            "    return h(0) <--- (ZeroDivisionError) division by zero. Raised in a nested call.\n\n"
            "h = lambda y: 1 / y <--- (ZeroDivisionError) division by zero.",
        ),
        (
            "def f(x):\n    yield 1\n    1 / 0",
            "def f(x):\n    yield 1\n    1 / 0 <--- (ZeroDivisionError) division by zero.",
        ),
        ("f = lambda x: x[9]", "f = lambda x: x[9] <--- (IndexError) list index out of range."),
        (
            "class C:\n    @property\n    def p(self):\n        return {}['a']\n\ndef f(x):\n    return C().p",
            "def f(x):\n    return C().p <--- (KeyError) 'a'. Raised in a nested call.\n\n"
            "@property\ndef p(self):\n    return {}['a'] <--- (KeyError) 'a'.",
        ),
        ("def f(x):\n\traise ValueError", "def f(x):\n\traise ValueError <--- (ValueError)."),
        ("def f(x):\n    raise ValueError('')", "def f(x):\n    raise ValueError('') <--- (ValueError)."),
        (
            "def f(x):\n    raise ValueError('one\\n  two\\r\\nthrée.')  # here\n",
            "def f(x):\n    raise ValueError('one\\n  two\\r\\nthrée.')  # here <--- (ValueError) one two thrée.",
        ),
        ("def f(x):\n    assert not x", "def f(x):\n    assert not x <--- (AssertionError)."),
    ],
)
def test_code_of_every_kind(source: str, expected: str) -> None:
    """Comprehensions, generators, lambdas, nested functions, and exceptions with odd messages."""
    if "yield" in source:
        function = InProcess().compile(source, "f", {})
        assert comment_error(failing(lambda: list(function([0]))), function=function) == expected
    else:
        assert comment(source, [0]) == expected


def test_library_frames_are_left_out() -> None:
    """What the standard library does inside depends on the interpreter, and is not the program's."""
    text = comment("import json\n\ndef f(x):\n    return json.loads(x)", "{")
    assert text.startswith("def f(x):\n    return json.loads(x) <--- (json.decoder.JSONDecodeError) Expecting property")
    assert "\n\n" not in text


def test_a_library_function_is_shown_when_there_is_nothing_else() -> None:
    """The function that was called is marked, wherever it stands."""
    text = comment_error(failing(lambda: json.loads("{")), function=json.loads)
    assert text.startswith("def loads(s")
    assert text.count("<---") == 1


def test_without_a_function_the_first_frame_of_the_program_is_taken() -> None:
    """Frames of opto itself are passed over."""
    error = failing(lambda: InProcess().compile("import json\ndef f(): pass\njson.loads('{')", "f", {}))
    assert error.__cause__ is not None
    assert comment_error(error.__cause__).startswith("import json\ndef f(): pass\njson.loads('{') <--- (json.decoder.")


@pytest.mark.parametrize(
    ("depth", "left_out"), [(2, "1 more call is"), (3, "2 more calls are"), (900, "899 more calls are")]
)
def test_recursion_is_shortened(depth: int, left_out: str) -> None:
    """Repeated calls are counted, not shown."""
    text = comment("def f(n):\n    if not n:\n        raise ValueError('end')\n    return f(n - 1)", depth)
    first, middle, last = text.split("\n\n")
    assert first.endswith("    return f(n - 1) <--- (ValueError) end. Raised in a nested call.")
    assert middle == f"# ... {left_out} left out."
    assert "raise ValueError('end') <--- (ValueError) end.\n" in last


def test_endless_recursion_does_not_tell_the_depth_of_its_caller() -> None:
    """How many calls fit depends on who called, so the text does not say it."""
    text = comment("def f(n):\n    return f(n + 1)", 0)
    assert "# ... more calls, up to Python's limit of recursion, are left out." in text
    assert text.count("def f(n)") == 2
    assert len(text) < 500


def test_many_different_calls_are_shortened() -> None:
    """At most eight sources are shown."""
    source = "".join(f"def g{n}(x):\n    return g{n + 1}(x)\n\n" for n in range(20))
    text = comment(f"{source}def g20(x):\n    raise KeyError(x)\n\ndef f(x):\n    return g0(x)", 1)
    assert text.count("<---") == 8
    assert "# ... 14 more calls are left out." in text
    assert text.endswith("def g20(x):\n    raise KeyError(x) <--- (KeyError) 1.")


def test_unknown_source() -> None:
    """A function without a source is named all the same."""
    namespace: dict[str, Any] = {}
    exec("def typed(x):\n    return 1 / x", namespace)
    text = comment_error(failing(lambda: namespace["typed"](0)), function=namespace["typed"])
    assert text == "(the source of typed is not known) <--- (ZeroDivisionError) division by zero."


def test_the_source_of_a_model_s_code_does_not_depend_on_linecache() -> None:
    """Two texts of one name keep their own lines, also when the lines were cleared."""
    first = InProcess().compile("def f(x):\n    return 1 / x", "f", {})
    InProcess().compile("def f(x):\n    return 2 / x", "f", {})
    linecache.clearcache()
    assert "return 1 / x <---" in comment_error(failing(lambda: first(0)))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1\ndef f(x:\n    pass", "def f(x: <--- (SyntaxError)"),
        (
            "x = 1\ny = x / 0\ndef f(x): pass",
            "x = 1\ny = x / 0 <--- (ZeroDivisionError) division by zero.\ndef f(x): pass",
        ),
        ("def g(): pass", "def g(): pass <--- (opto.errors.CodeError) The code must define 'f' at its top level"),
        (
            "def h():\n    1 / 0\nh()\ndef f(): pass",
            "h() <--- (ZeroDivisionError) division by zero. Raised in a nested",
        ),
    ],
)
def test_code_that_did_not_come_to_run(source: str, expected: str) -> None:
    """The whole text is shown, marked where it does not parse or where its definition failed."""
    with pytest.raises(CodeError) as caught:
        InProcess().compile(source, "f", {})
    text = comment_error(caught.value)
    assert expected in text
    assert "<opto" not in text


def test_an_error_of_a_bundle_inside_is_followed_into_it() -> None:
    """The comment that the inner exception node carries is part of the outer one."""
    node = SimpleNamespace(
        _data="(ZeroDivisionError) division by zero", info={"error_comment": "INNER", "traceback": "/x"}
    )

    def calls_a_bundle() -> None:
        raise ExecutionError(node)

    text = comment_error(failing(calls_a_bundle), function=calls_a_bundle)
    assert text.endswith(
        "raise ExecutionError(node) <--- (ZeroDivisionError) division by zero. Raised in a nested call.\n\nINNER"
    )


def test_nothing_accidental_enters() -> None:
    """No path, no address, no caret."""
    text = comment_error(failing(lambda: getattr(object(), str(object()))))
    assert "'object' object has no attribute '<object object>'" in text
    assert not re.search(r"0x|\^|\.py", text + comment("def f(x):\n    return x()", outer))
    assert describe_error(ValueError(object())) == "(ValueError) <object object>"


class Unprintable(Exception):
    """Cannot be shown."""

    def __str__(self) -> str:
        raise KeyError("no")


@pytest.mark.parametrize(
    ("error", "description"),
    [
        (ValueError("a"), "(ValueError) a"),
        (ValueError(), "(ValueError)"),
        (ValueError("a\nb"), "(ValueError) a\nb"),
        (KeyError("a"), "(KeyError) 'a'"),
        (OwnError("ü"), f"({__name__}.OwnError) ü"),
        (SyntaxError("bad", ("/tmp/x.py", 3, 1, "a b")), "(SyntaxError) bad (line 3)"),
        (SyntaxError("bad"), "(SyntaxError) bad"),
        (Unprintable(), f"({__name__}.Unprintable) its message cannot be read: __str__ raised KeyError"),
        (ExecutionError(SimpleNamespace(_data="(KeyError) 'a'", info=None)), "(KeyError) 'a'"),
        (type("Local.<locals>.Deep", (Exception,), {})("x"), f"({__name__}.Local.Deep) x"),
    ],
)
def test_the_description_of_an_error(error: BaseException, description: str) -> None:
    """Class in parentheses, dotted unless built in, then the message."""
    assert describe_error(error) == description
