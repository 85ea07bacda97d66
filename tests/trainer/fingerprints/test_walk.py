"""Fingerprints of programs."""

from __future__ import annotations

import functools
import socket
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

from opto.llm import LLM, as_model
from opto.sandbox import Subprocess
from opto.trace import Module, bundle, node
from opto.trainer import guides
from opto.trainer.fingerprints.walk import fingerprint
from opto.trainer.guide import as_guide
from tests.trainer.programs import count_guide, exact, shouter


def adder(number):
    """A function with a variable around it."""
    return lambda x, more=0: x + number + more


def test_plain_data():
    """Equal data have equal fingerprints, of whatever kind; other data others."""
    values = [0, 1, 1.0, True, None, "1", b"1", [1], (1,), {1}, {1: 2}, {"1": 2}, [[1]], [1, 1], 1j, np.arange(3)]
    prints = [fingerprint(value) for value in values]
    assert len(set(prints)) == len(values)
    assert fingerprint({"a": [1, {2, 3}]}) == fingerprint({"a": [1, {3, 2}]})
    assert fingerprint(np.arange(3)) == fingerprint(np.arange(3))


def test_functions_by_their_code():
    """Functions of the same code and variables are the same; other code, defaults or variables make others."""
    assert fingerprint(adder(1)) == fingerprint(adder(1))
    assert fingerprint(adder(1)) != fingerprint(adder(2))
    assert fingerprint(lambda x: x + 1) != fingerprint(lambda x: x + 2)
    assert fingerprint(lambda x, y=1: x) != fingerprint(lambda x, y=2: x)
    assert fingerprint(functools.partial(pow, 2)) != fingerprint(functools.partial(pow, 3))
    assert fingerprint(len) != fingerprint(max)
    assert fingerprint("a".startswith) != fingerprint("b".startswith)


def test_modules_by_code_attributes_and_values():
    """Modules that do the same are the same, whatever was done with them before."""
    agent = shouter()
    first = fingerprint(agent)
    agent.copy()("a")
    assert fingerprint(agent) == fingerprint(shouter()) == first
    agent.mark._set("?")
    assert fingerprint(agent) == fingerprint(shouter("?")) != first
    assert fingerprint(shouter(temperature=1)) != first
    assert fingerprint(shouter(lock=threading.Lock())) == fingerprint(shouter(lock=threading.Lock()))


def test_trainable_code():
    """The value of a code parameter counts, before and after the method was first used."""

    class Agent(Module):
        @bundle(trainable=True)
        def answer(self, x):
            """Answer."""
            return x

        def forward(self, x):
            return self.answer(x)

    agent = Agent()
    first = fingerprint(agent)
    agent("a")
    assert fingerprint(agent) == first == fingerprint(Agent())
    [parameter] = agent.parameters()
    parameter._set("def answer(self, x):\n    return x + 1")
    assert fingerprint(agent) != first


def test_other_methods_make_another_class():
    """A class is its methods, not its name alone."""

    def made(greeting):
        class Agent(Module):
            punctuation = "!"

            def forward(self, x):
                return greeting + x

        return Agent

    one, other = made("a"), made("b")
    assert fingerprint(one()) != fingerprint(other())
    other = made("a")
    assert fingerprint(one()) == fingerprint(other())
    other.punctuation = "?"
    assert fingerprint(one()) != fingerprint(other())


def test_guides_and_models():
    """A guide is its function; a model its name and options."""
    assert fingerprint(as_guide(exact)) == fingerprint(as_guide(exact))
    assert fingerprint(as_guide(exact)) != fingerprint(as_guide(count_guide))
    assert fingerprint(LLM("one/a")) == fingerprint(LLM("one/a"))
    assert fingerprint(LLM("one/a")) != fingerprint(LLM("one/b"))
    assert fingerprint(LLM("one/a", temperature=0.0)) != fingerprint(LLM("one/a", temperature=1.0))
    assert fingerprint(as_model(adder(1))) == fingerprint(as_model(adder(1))) != fingerprint(as_model(adder(2)))


def test_guides_of_opto_stay_the_same_when_they_are_used():
    """What a guide keeps of its work, such as workers of a sandbox, is no part of what it is."""

    def answer(messages, **options):
        return '{"reasoning": "", "feedback": "Fine.", "score": 7}'

    makers = [
        lambda: guides.ExactMatch(ignore_case=True),
        lambda: guides.NumericTolerance(absolute=0.1),
        lambda: guides.PatternMatch(r"\d+"),
        lambda: guides.LLMJudge(llm=answer, rubric="Short."),
        lambda: guides.Composite({"one": guides.ExactMatch(), "other": lambda query, response, reference: 1.0}),
        lambda: guides.UnitTests(["assert answer == 1"], runner="in-process"),
        lambda: guides.UnitTests(["assert answer == 1"], runner=Subprocess(seconds=20)),
        lambda: guides.UnitTests(["assert answer == 1"], runner=Subprocess(seconds=30)),
    ]
    found = set()
    for make in makers:
        guide = make()
        first = fingerprint(guide)
        guide.get_feedback("2 - 1?", "answer = 1", "1")
        assert fingerprint(guide) == fingerprint(make()) == first
        found.add(first)
    assert len(found) == len(makers)


def test_what_contains_itself():
    """Cycles end."""
    agent = shouter()
    agent.self = agent
    agent.list = [agent, node("x")]
    assert fingerprint(agent) == fingerprint(agent)


def test_what_cannot_be_looked_into():
    """The error says where it is and what to do."""
    with socket.socket() as connection, pytest.raises(TypeError, match=r"it\.connection.*identity="):
        fingerprint(shouter(connection=connection))
    with pytest.raises(TypeError, match="too deep|parts"):
        fingerprint(functools.reduce(lambda inner, _: functools.partial(len, inner), range(5000), len))


def test_another_process_gives_the_same():
    """Nothing in a fingerprint depends on hash seeds, addresses or the time."""
    code = textwrap.dedent(
        """
        import threading
        from opto.trace import Module, bundle, node
        from opto.trainer.fingerprints.walk import fingerprint

        @bundle(trainable=True)
        def answer(x, words={"a", "b", "c"}):
            "Answer."
            return x in {"yes", "no", "maybe"}

        class Agent(Module):
            def __init__(self):
                self.prompt = node("Hello", trainable=True)
                self.options = {"set": {"x", "y", "z"}, "function": lambda x: x, "lock": threading.Lock()}
                self.answer = answer

            def forward(self, x):
                return self.answer(x)

        print(fingerprint(Agent()))
        """
    )
    import os

    found = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        file = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"opto-fingerprint-{os.getpid()}.py")
        try:
            with open(file, "w") as script:
                script.write(code)
            done = subprocess.run([sys.executable, file], capture_output=True, text=True, env=environment, check=True)
        finally:
            os.unlink(file)
        found.add(done.stdout)
    assert len(found) == 1
