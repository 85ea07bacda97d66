"""Tests of opto.sandbox.remote_errors."""

from __future__ import annotations

import traceback

import pytest

from opto.sandbox import InProcess
from opto.sandbox.remote_errors import RemoteFrame, RemoteText
from opto.trace.error_comments import comment_error

TEXT = """import math

def helper(x):
    return [1 / y for y in (x,)][0]

def f(x):
    g = lambda y: helper(y)
    return g(x)
"""


def _in_process(text: str = TEXT) -> ZeroDivisionError:
    with pytest.raises(ZeroDivisionError) as caught:
        InProcess().compile(text, "f", {})(0)
    error = caught.value
    assert error.__traceback__ is not None
    return error.with_traceback(error.__traceback__.tb_next)


FRAMES = [RemoteFrame("f", 8), RemoteFrame("<lambda>", 7), RemoteFrame("helper", 4)]


def test_the_marked_source_is_as_in_process() -> None:
    """The comment on an error does not show on which side of the wall it was raised."""
    error = RemoteText(TEXT, "f").placed(ZeroDivisionError("division by zero"), FRAMES)
    assert comment_error(error) == comment_error(_in_process())
    assert "return [1 / y for y in (x,)][0] <--- (ZeroDivisionError) division by zero." in comment_error(error)


def test_a_decorated_function_is_shown_whole() -> None:
    """A function is found from its line, decorators and all."""
    text = "import functools\n@functools.lru_cache\ndef f(x):\n    y = x\n    return 1 / y\n"
    error = RemoteText(text, "f").placed(ZeroDivisionError("division by zero"), [RemoteFrame("f", 5)])
    assert comment_error(error) == comment_error(_in_process(text))


def test_python_prints_the_lines_of_the_text() -> None:
    """Python's own printer finds the file, the line and the function."""
    text = RemoteText(TEXT, "f")
    printed = "".join(traceback.format_exception(text.placed(ZeroDivisionError("division by zero"), FRAMES)))
    assert f'File "{text.filename}", line 4, in helper\n    return [1 / y for y in (x,)][0]\n' in printed
    assert "^" not in printed
    assert "\n    \n" not in printed
    assert text.filename == _in_process().__traceback__.tb_frame.f_code.co_filename  # type: ignore[union-attr]


@pytest.mark.parametrize("frame", [RemoteFrame("f", 0), RemoteFrame("f", 10**9), RemoteFrame("f", -1)])
def test_a_line_outside_the_text_is_left_out(frame: RemoteFrame) -> None:
    """What the other side says of places is not believed."""
    error = RemoteText(TEXT, "f").placed(ValueError("x"), [frame])
    assert error.__traceback__ is None


@pytest.mark.parametrize("function", ["nobody", "a b\nc", "<module>", "None", "é", "\ud800", ""])
def test_any_name_of_a_function_will_do(function: str) -> None:
    """A name that the text does not know is shown on the line that it comes with."""
    error = RemoteText(TEXT, "f").placed(ValueError("x"), [RemoteFrame(function, 4)])
    assert error.__traceback__ is not None
    assert error.__traceback__.tb_lineno == 4
    assert "<--- (ValueError) x." in comment_error(error)


def test_a_deep_recursion_is_shortened() -> None:
    """The traceback of an endless recursion has a bounded number of frames."""
    error = RemoteText(TEXT, "f").placed(RecursionError("too deep"), [RemoteFrame("f", 8)] * 100_000)
    assert len(traceback.extract_tb(error.__traceback__)) == 200


def test_a_text_that_is_no_python_has_places_too() -> None:
    """Places do not need a text that parses."""
    error = RemoteText("def f(:\n  pass", "f").placed(ValueError("x"), [RemoteFrame("f", 2)])
    assert error.__traceback__ is not None
