"""Projections map a suggested value onto an allowed one."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opto.errors import MissingExtraError
from opto.trace.projections import BlackCodeFormatter, DocstringProjection, Projection


def test_a_projection_is_one_method():
    """A subclass writes `project`; calling does the same; without it there is no instance."""

    class Clip(Projection):
        def project(self, x):
            return min(max(x, 0), 1)

    assert Clip()(7) == Clip().project(7) == 1
    with pytest.raises(TypeError, match="abstract"):
        Projection()


def test_black_formats_code():
    """Text with a definition is formatted, and formatting again changes nothing."""
    formatted = BlackCodeFormatter()("def f( x ):\n  return {  'a':x }")
    assert formatted == 'def f(x):\n    return {"a": x}\n'
    assert BlackCodeFormatter()(formatted) == formatted


@pytest.mark.parametrize(
    "value", ["x  =  1", "", 3, None, ["def f( x ): pass"], b"def", "the default  value", "def f(:"]
)
def test_black_leaves_all_else_alone(value):
    """What is no code, and code that does not parse, comes back as it is."""
    assert BlackCodeFormatter()(value) is value


def test_a_missing_black_names_its_extra(monkeypatch):
    """Without black the error gives the pip command; values that are no code need no black."""
    monkeypatch.setitem(sys.modules, "black", None)
    assert BlackCodeFormatter()(3) == 3
    with pytest.raises(MissingExtraError, match=r"opto-trace\[black\]"):
        BlackCodeFormatter()("def f(): pass")


def test_the_docstring_is_replaced_and_nothing_else():
    """The first block changes, a second one stays, and so does every space and line end."""
    code = 'def f(x):\r\n\t"""Old\n  text, with \\""" inside."""\n    y = """other"""  \n'
    assert DocstringProjection("New \\n.")(code) == 'def f(x):\r\n\t"""New \\n."""\n    y = """other"""  \n'


@pytest.mark.parametrize("value", ["def f(): pass", '"""never closed', "'''single'''", 3, None])
def test_without_a_block_nothing_changes(value):
    """Values without a block in triple double quotes come back as they are."""
    assert DocstringProjection("new")(value) is value


@pytest.mark.parametrize("docstring", ['a"""b', 'ends in "', "ends in \\", "\\\\\\"])
def test_a_docstring_that_breaks_its_block_is_refused(docstring):
    """What would end the block early, or swallow its end, is a ValueError."""
    with pytest.raises(ValueError, match="docstring must not"):
        DocstringProjection(docstring)


def test_a_docstring_is_a_text():
    """Anything else is a TypeError that shows the value."""
    with pytest.raises(TypeError, match="docstring must be a str, got 3"):
        DocstringProjection(3)


@given(st.text(st.characters(exclude_characters='"\\')), st.text(st.characters(exclude_characters='"\\')), st.text())
def test_projecting_is_replacing_between_the_quotes(docstring, old, rest):
    """For any text, what stands around the block is kept, and projecting twice is projecting once."""
    projection = DocstringProjection(docstring)
    once = projection(f'def f():\n """{old}"""{rest}')
    assert once == f'def f():\n """{docstring}"""{rest}'
    assert projection(once) == once
