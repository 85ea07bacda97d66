"""Text of values for prompts is the same everywhere."""

import dataclasses
import enum
import subprocess
import sys
from collections import OrderedDict, namedtuple
from pathlib import Path

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opto.optimizers.canonical import canonical, canonical_repr, clean_text, plain

ROOT = Path(__file__).parents[2]
Pair = namedtuple("Pair", "left right")


class Opaque:
    pass


class Broken:
    def __repr__(self):
        raise RuntimeError("no text")


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Box:
    inside: object
    hidden: int = dataclasses.field(default=0, repr=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain 'text'\n", "plain 'text'\n"),
        (1.50, "1.5"),
        (True, "True"),
        (None, "None"),
        ({3, 1, 2}, "{1, 2, 3}"),
        ({"b", "a", 1}, "{1, 'a', 'b'}"),
        (frozenset({2, 1}), "frozenset({1, 2})"),
        (set(), "set()"),
        ({"k": {2, 1}}, "{'k': {1, 2}}"),
        ((1,), "(1,)"),
        (Pair({2, 1}, "x"), "Pair(left={1, 2}, right='x')"),
        (Box({2, 1}), "Box(inside={1, 2})"),
        (Color.RED, "Color.RED"),
        (numpy.float64(2.5), "2.5"),
        ([numpy.float64(2.5), numpy.int32(3)], "[2.5, 3]"),
        (numpy.array([1, 2]), "[1 2]"),
        (OrderedDict(a={2, 1}), str(OrderedDict(a={2, 1}))),
        (Opaque(), f"<{__name__}.Opaque object>"),
        ([Opaque()], f"[<{__name__}.Opaque object>]"),
        (len, "<built-in function len>"),
        (Broken(), "<Broken object>"),
    ],
)
def test_values(value, text):
    """Each kind of value has one text, without addresses and with sets in order."""
    assert canonical(value) == text


def test_cycles_and_depth_end():
    """A list that holds itself, or is very deep, is cut instead of overflowing the stack."""
    loop = [1]
    loop.append(loop)
    assert canonical_repr(loop) == "[1, ...]"
    deep = []
    for _ in range(5000):
        deep = [deep]
    assert canonical_repr(deep).count("[") < 100


def test_traceback_text_loses_directories_and_carets():
    """What differs by machine and interpreter in a traceback is left out of a prompt."""
    text = (
        'Traceback:\n  File "/home/me/x/prog.py", line 3, in f\n    a / b\n    ~~^~~\nError: <Foo object at 0x7f01a2>'
    )
    assert clean_text(text) == 'Traceback:\n  File "prog.py", line 3, in f\n    a / b\nError: <Foo object>'


def test_carets_without_a_traceback_stay():
    """A text of carets is a text."""
    assert clean_text("a\n^^^\nb") == "a\n^^^\nb"


@given(st.lists(st.one_of(st.integers(), st.text(), st.tuples(st.integers())), unique=True))
def test_a_set_does_not_depend_on_its_history(values):
    """Sets built in another order have the same text."""
    backwards = set()
    for value in reversed(values):
        backwards.add(value)
    assert canonical(set(values)) == canonical(backwards)


def test_hash_seeds_do_not_matter():
    """The same program under two hash seeds writes the same text."""
    code = (
        "from opto.optimizers.canonical import canonical; print(canonical([{'b','a','c',1}, {'k': frozenset('xyz')}]))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "77")
    }
    assert len(texts) == 1


def test_plain_keeps_json_and_writes_the_rest():
    """Events hold plain data only."""
    assert plain({"a": [1, None, {2, 1}]}) == {"a": [1, None, "{1, 2}"]}
    assert plain((1, 2)) == "(1, 2)"
