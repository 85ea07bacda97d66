"""Tracebacks as text: what a person wrote, each part once."""

from __future__ import annotations

import sys
import traceback

import pytest

from opto.trace import ExecutionError, bundle, node
from opto.trace.tracebacks import traceback_of


@bundle()
def descend(n):
    """Fails at the bottom of a recursion of bundles."""
    if n == 0:
        raise ValueError("bottom")
    return descend(n - 1)


def caught_from(function, *args):
    """The exception that a call raises."""
    try:
        function(*args)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def plain(kind):
    """Raises in several ways."""
    if kind == "simple":
        raise KeyError("k")
    if kind == "empty":
        raise ValueError
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError as error:
        if kind == "cause":
            raise ValueError("v") from error
        if kind == "hidden":
            raise ValueError("v") from None
        raise ValueError("v")  # noqa: B904 - the context is what is tested


@pytest.mark.parametrize("kind", ["simple", "empty", "cause", "hidden", "context"])
def test_as_python_prints_it(kind):
    """Without opto in it, a traceback is Python's own, chains included."""
    error = caught_from(plain, kind)
    assert traceback_of(error) == "".join(traceback.format_exception(type(error), error, error.__traceback__))


def test_syntax_errors():
    """A syntax error shows its line."""
    error = caught_from(compile, "def f(:", "text", "exec")
    assert "def f(:" in traceback_of(error)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="notes came with Python 3.11")
def test_notes():
    """Notes stand below the message."""
    error = ValueError("v")
    error.add_note("a note")
    assert traceback_of(error).endswith("ValueError: v\na note\n")


def test_messages_that_cannot_be_read():
    """An exception whose text raises is shown by its class."""

    class Bad(Exception):
        def __str__(self):
            raise RuntimeError

    assert traceback_of(Bad()).endswith("Bad: <exception str() failed>\n")


def test_no_frames_of_opto():
    """The traceback of a failed bundle shows the lines of the person's functions only."""
    error = caught_from(descend, 2)
    text = error.exception_node.info["traceback"]
    assert text.startswith("Traceback (most recent call last):\n")
    assert "running.py" not in text
    assert text.count("return descend(n - 1)") == 2
    assert text.count('raise ValueError("bottom")') == 1
    assert text.endswith("ValueError: bottom\n")


def test_operators_show_where_they_were_used():
    """An operator that fails in a body is told with the body's line."""

    @bundle(allow_external_dependencies=True)
    def f(x):
        return (node(x) / 0).data

    assert "return (node(x) / 0).data" in caught_from(f, 1).exception_node.info["traceback"]


def test_depth_costs_its_length():
    """The text of a failure grows with the number of calls, not with its square or worse."""
    short, long = (len(str(caught_from(descend, depth))) for depth in (20, 100))
    assert long < 6 * short


def test_errors_that_wrap_errors():
    """Bodies that raise their own error from that of the bundle below: each appears once."""

    @bundle()
    def wraps(n):
        if n == 0:
            raise ValueError("bottom")
        try:
            return wraps(n - 1)
        except ExecutionError as error:
            raise RuntimeError(f"level {n}") from error

    text = caught_from(wraps, 12).exception_node.info["traceback"]
    assert text.count("ValueError: bottom") == 1
    assert [text.count(f"RuntimeError: level {n}\n") for n in range(1, 13)] == [1] * 12
    assert text.index("ValueError: bottom") < text.index("level 1\n") < text.index("level 12\n")


def test_endless_recursion():
    """A bundle that calls itself without end is a RecursionError like any other."""

    @bundle()
    def endless(x):
        return endless(x)

    error = caught_from(endless, 1)
    assert isinstance(error, ExecutionError)
    assert "RecursionError" in error.exception_node.data
