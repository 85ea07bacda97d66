"""What graphs share with programs, by name."""

from __future__ import annotations

import functools
import json

import pytest

from opto.llm import FromCallable
from opto.trace import Module, Seq, bundle, node
from opto.trainer.rolling_out.naming import provisional
from opto.trainer.rolling_out.program_links import ProgramLinks

CONSTANT = node(3, name="constant")
MODEL = FromCallable(len)


@bundle()
def helper(x):
    """Helps."""
    return x


class Part(Module):
    """A part with a parameter."""

    shared = node("of the class")

    def __init__(self, text="a", llm=None):
        self.text = node(text, trainable=True)
        self.llm = llm or FromCallable(max)

    def forward(self, x):
        return helper(x)


class Whole(Module):
    """A program of parts."""

    def __init__(self):
        self.parts = [Part(), Part()]
        self.words = Seq(node("w", trainable=True))
        self.seen = []

    def forward(self, x):
        return x


def test_parameters_and_parts_have_names():
    """The same names in another program that is made alike, where they lead to its own parts."""
    one, other = Whole(), Whole()
    links, others = ProgramLinks(one, shared=True), ProgramLinks(other, shared=True)
    for mine, its in [
        (one, other),
        (one.parts[1], other.parts[1]),
        (one.parts[0].text, other.parts[0].text),
        (one.words.data[0], other.words.data[0]),
        (one.parts[1].llm, other.parts[1].llm),
        (Part.shared, Part.shared),
        (CONSTANT, CONSTANT),
        (MODEL, MODEL),
        (helper, helper),
    ]:
        name = links.name_of(mine)
        assert name is not None
        assert others.named(name) is its


def test_parts_of_a_copy_are_those_of_the_program():
    """Told apart by their parameters, whatever the copy did to its attributes."""
    program = Whole()
    links = ProgramLinks(program, shared=True)
    copy = program.copy()
    copy.seen.append("x")
    assert links.named(links.name_of(copy)) is program
    assert [links.named(links.name_of(each)) for each in copy.parts] == program.parts
    assert isinstance(links.named(links.name_of(copy.parts[1].llm)), FromCallable)
    assert links.name_of(Part("a")) is None
    assert links.name_of(FromCallable(json.dumps)) is None


def test_code_that_is_loaded_has_its_own_name():
    """Functions and classes are found in their modules, and only these."""
    links = ProgramLinks(Part(), shared=True)
    for each in (json.loads, len, dict, Part):
        assert links.named(links.name_of(each)) is each
    assert links.name_of(lambda: 1) is None
    for name in ("loaded json:__name__", "loaded this:s", "nothing", "loaded json"):
        with pytest.raises(KeyError):
            links.named(name)


def test_who_owns_a_node():
    """A rollout owns the nodes that it made; all that comes from another process is its own."""
    with provisional():
        made = node(1)
    links = ProgramLinks(Part(), shared=True)
    assert links.owns(made)
    assert not links.owns(node(1))
    assert links.name_of(made) is None
    assert links.name_of(node(1)) is None
    assert ProgramLinks(Part(), shared=False).owns(node(1))


def test_functions_hold_what_is_around_them():
    """Closures, partials, methods and bound bundles are looked into."""
    around = Part()

    def program(x):
        return around(x)

    class Speaker:
        @bundle()
        def speak(self, x):
            """Speaks."""
            return x

    speaker = Speaker()
    for made in (program, functools.partial(program, 1), around.forward, {"a": [around]}):
        assert ProgramLinks(made, shared=True).name_of(around) is not None
    assert ProgramLinks(speaker.speak, shared=True).name_of(speaker.speak.self_node) is not None
    assert ProgramLinks(len, (around,), shared=True).name_of(around) is not None
