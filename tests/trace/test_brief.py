"""brief: a short text for any value, at a bounded cost."""

from __future__ import annotations

import collections
import dataclasses
import tracemalloc

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opto.trace.brief import brief, shortened

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda parts: st.lists(parts, max_size=4) | st.tuples(parts) | st.dictionaries(st.integers(), parts, max_size=3),
    max_leaves=8,
)


@given(plain.filter(lambda value: not (isinstance(value, str) and "\n" in value)))
def test_a_small_value_is_shown_as_its_repr(value):
    """What fits is shown whole, as `repr` has it, unless it is nested more than six deep."""
    expected = repr(value)
    shown = brief(value, len(expected))
    assert shown == expected or "…" in shown


@given(plain, st.integers(0, 30))
def test_the_text_keeps_its_limit(value, limit):
    """Beyond the limit there is only the note."""
    assert len(brief(value, limit)) <= limit + 40


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x" * 200, f"{'x' * 10!r}… (+190 characters)"),
        ("one\ntwo\nthree", "one\ntwo\nth… (+3 characters)"),
        (b"x" * 200, f"{b'x' * 10!r}… (+190 bytes)"),
        (list(range(10**6)), "[0, 1, 2, … (1,000,000 items)"),
        (dict.fromkeys(range(10**6)), "{0: None, … (1,000,000 items)"),
        (10**5000, "<int of 16… (+10 characters)"),
        ({"b", "a"}, "{'a', 'b'}"),
        (set(), "set()"),
        ((1,), "(1,)"),
        (frozenset({1}), "frozenset(… (1 items)"),
        (numpy.zeros((1000, 1000)), "<ndarray o… (+30 characters)"),
        (object(), "<object>"),
        (numpy.int64(3), "np.int64(3)"[:10] + "… (+1 characters)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_cut_is_said(value, expected):
    """Each kind of value with a limit of ten characters."""
    assert brief(value, 10) == expected


def test_subclasses_and_dataclasses_keep_their_names():
    """Containers of other classes and dataclasses are shown by their parts."""

    @dataclasses.dataclass
    class Point:
        x: int
        y: list

    assert brief(collections.OrderedDict(a=1), 50) == "OrderedDict({'a': 1})"
    assert brief(collections.deque([1, 2]), 50) == "deque([1, 2])"
    assert brief([Point(1, [2])], 200).endswith("Point(x=1, y=[2])]")


def test_a_value_that_contains_itself_ends():
    """Nesting is followed six deep."""
    value = []
    value.append(value)
    assert brief(value, 100) == "[[[[[[[…]]]]]]]"


def test_a_repr_that_raises_is_reported():
    """A broken value does not break the picture of a graph."""

    class Broken:
        def __repr__(self):
            raise RuntimeError

    assert "Broken, whose repr raises RuntimeError>" in brief([Broken()], 100) or "list, whose repr" in brief(
        [Broken()], 9
    )


def test_addresses_are_left_out():
    """The text of a function or plain object is the same in every run."""
    assert " at 0x" not in brief([test_addresses_are_left_out, object(), lambda: 0], 300)


def test_a_huge_value_costs_little():
    """Neither time nor memory grows with the value: a gigabyte's worth of text is never built."""
    line = "x" * 10**6
    value = [[line] * 1000 for _ in range(1000)]
    tracemalloc.start()
    try:
        brief({"a": value}, 100)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_shortened_counts_what_is_cut():
    """Text within its limit stays, longer text says how much follows."""
    assert shortened("abc", 3) == "abc"
    assert shortened("abcd", 3) == "abc… (+1 characters)"
