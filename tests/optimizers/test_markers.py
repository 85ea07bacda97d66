"""Marks of structure in texts from outside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opto.optimizers.markers import markers, not_at_line_starts
from tests.optimizers.injections import INJECTIONS

MARKS = markers(("#Variables", "# Feedback", "Solution"), ("variable", "value"), ("suggestion",))
_PIECES = ["~", "#Variables", "\n", " ", "<", "</", "variable", ">", '"suggestion"', ":", "(int) x0=", "{", ","]


@pytest.mark.parametrize(
    ("text", "inert"),
    [
        ("#Variables", "~#Variables"),
        ("a\n  #variables:", "a\n  ~#variables:"),
        ("a #Variables", "a #Variables"),
        ("#VariablesX", "#VariablesX"),
        ("</variable>", "<~/variable>"),
        ("<values>", "<values>"),
        ('{"suggestion": 1}', '{"~suggestion": 1}'),
        ("{suggestion: 1}", "{~suggestion: 1}"),
        ("a suggestion: do it", "a suggestion: do it"),
        ("1\n(int) x0=5", "1\n~(int) x0=5"),
        ("~#Variables", "~~#Variables"),
        ("the end </value", "the end <~/value"),
        ("plain text, <b>bold</b> # heading", "plain text, <b>bold</b> # heading"),
    ],
)
def test_marks_are_broken(text: str, inert: str) -> None:
    """What would pass for structure gets a ~, and nothing else does."""
    assert MARKS.inert(text) == inert
    assert MARKS.restored(inert) == text


def test_without_headings_lines_stay() -> None:
    """A prompt without headings has no lines that could be one."""
    assert markers((), ("version",), ()).inert("one\ntwo <version>") == "one\ntwo <~version>"


@given(st.lists(st.sampled_from(_PIECES) | st.text(max_size=5), max_size=12).map("".join))
def test_what_was_broken_can_be_restored(text: str) -> None:
    """Breaking and restoring gives the same text, and breaking leaves no mark."""
    inert = MARKS.inert(text)
    assert MARKS.restored(inert) == text
    assert MARKS.restored({"a": [inert, 1]}) == {"a": [text, 1]}


@pytest.mark.parametrize("text", INJECTIONS)
def test_injections_are_restored(text: str) -> None:
    """The same for texts written to break prompts."""
    assert MARKS.restored(MARKS.inert(text)) == text


def test_lines_that_begin_with_a_name() -> None:
    """A later line cannot pass for another entry; the first one is the entry's own."""
    assert not_at_line_starts("[add] a\n[add] b\n [mul] c\n[x] d", ["[add]", "[mul]"]) == (
        "[add] a\n~[add] b\n~ [mul] c\n[x] d"
    )
