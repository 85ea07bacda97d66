"""Several optimizers at once."""

from __future__ import annotations

import pytest

from opto.errors import BudgetExceededError, ModelError
from opto.llm import Budget, as_model
from opto.optimizers import Optimizer, OptoPrime
from opto.optimizers.drivers import Request
from opto.optimizers.joint import propose_jointly, rebound
from opto.testing import Scripted
from opto.trace import node
from opto.trainer.utils import deepcopy_module
from tests.trainer.counting import cutter


class Ask(Optimizer):
    """Asks for a value in two requests."""

    def __init__(self, parameters, llm):
        super().__init__(parameters)
        self.llm = llm

    def _propose(self):
        found = ""
        for number in range(2):
            (reply,) = yield [Request([{"role": "user", "content": f"{self.parameters[0].py_name} {number}"}])]
            found += reply.text
        return {self.parameters[0]: found}


def test_each_gets_its_own_answers():
    """Requests of all go out in turns, in the order of the optimizers."""
    asked = []

    def answer(messages, **options):
        asked.append(messages[-1]["content"])
        return messages[-1]["content"][0]

    parameters = [node("", trainable=True, name=name) for name in ("first", "second")]
    optimizers = [Ask([each], as_model(answer)) for each in parameters]
    found = propose_jointly(optimizers)
    assert [values[each] for values, each in zip(found, parameters, strict=True)] == ["ff", "ss"]
    assert sorted(asked[:2]) != sorted(asked[2:])
    assert [each.data for each in parameters] == ["", ""]


def test_failing_model_stops_only_its_own():
    """The error of one model is the outcome of its optimizer."""

    def fails(messages, **options):
        raise ModelError("no")

    first, second = (node("", trainable=True) for _ in range(2))
    found = propose_jointly([Ask([first], as_model(fails)), Ask([second], as_model(lambda messages, **_: "x"))])
    assert isinstance(found[0], ModelError)
    assert found[1] == {second: "xx"}


def test_budget_is_about_all():
    """The refusal of a budget is raised."""
    parameter = node("", trainable=True)
    with Budget(calls=1), pytest.raises(BudgetExceededError):
        propose_jointly([Ask([parameter], as_model(lambda messages, **_: "x"))])


def test_older_optimizer():
    """One that overrides `_step` is asked by itself, among others."""

    class Older(Optimizer):
        def _step(self, *args, **kwargs):
            return {self.parameters[0]: "old"}

    first, second = (node("", trainable=True) for _ in range(2))
    found = propose_jointly([Ask([first], as_model(lambda messages, **_: "x")), Older([second])])
    assert found == [{first: "xx"}, {second: "old"}]
    assert second.data == ""


def test_nothing():
    """No optimizers, no proposals."""
    assert propose_jointly([]) == []


def test_rebound():
    """The copy optimizes the other parameters, with a state of its own and the same model."""
    program = cutter()
    twin = deepcopy_module(program)
    model = Scripted(["x"])
    optimizer = OptoPrime(program.parameters(), model, memory_size=3)
    copied = rebound(optimizer, dict(zip(program.parameters(), twin.parameters(), strict=True)))
    assert copied.parameters == twin.parameters()
    assert copied.parameters[0] is twin.limit
    assert optimizer.parameters[0] is program.limit
    assert copied.llm is optimizer.llm


def test_rebound_lacks_a_parameter():
    """It is named."""
    program = cutter()
    with pytest.raises(ValueError, match="limit"):
        rebound(OptoPrime(program.parameters(), Scripted([])), {})
