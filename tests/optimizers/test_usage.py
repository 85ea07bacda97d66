"""What an optimizer's model calls took, and a budget for them."""

import copy
import subprocess
import sys

import pytest

from opto.errors import BudgetExceededError
from opto.llm import Budget, usage
from opto.optimizers import Optimizer, OptoPrime
from opto.optimizers.drivers import Request
from opto.testing import Scripted
from opto.trace import node

MESSAGES = [{"role": "user", "content": "a better value?"}]


class Asking(Optimizer):
    """Asks as often as it is told, all at once."""

    def __init__(self, parameters, llm, times=1, **kwargs):
        super().__init__(parameters, **kwargs)
        self.llm, self.times = llm, times

    def _propose(self):
        replies = yield [Request(MESSAGES, {"max_tokens": 5}) for _ in range(self.times)]
        return {self.parameters[0]: [reply.text for reply in replies]}


async def test_usage_of_all_steps():
    """Each optimizer counts its own calls, of `step` and of `astep`, in threads and tasks."""
    first = Asking([node(0, trainable=True)], Scripted(["x"] * 9), times=3)
    second = Asking([node(0, trainable=True)], Scripted(["x"] * 9))
    with usage() as totals:
        first.step()
        await first.astep()
        second.step()
        Scripted(["y"])(MESSAGES)
    assert (first.usage.calls, second.usage.calls, totals.calls) == (6, 1, 8)
    twin = copy.deepcopy(first)
    twin.step()
    assert (first.usage.calls, twin.usage.calls) == (6, 9)


async def test_budget_of_an_optimizer():
    """A step that does not fit raises, sends nothing, and leaves the parameters."""
    budget = Budget(calls=3)
    parameter = node("old", trainable=True)
    optimizer = Asking([parameter], Scripted(["x"] * 9), times=2, budget=budget)
    optimizer.step()
    assert budget.spent.calls == 2
    assert parameter.data == ["x", "x"]
    with pytest.raises(BudgetExceededError):
        await optimizer.astep()
    assert parameter.data == ["x", "x"]
    assert budget.spent.calls == 3
    Scripted(["y"])(MESSAGES)
    assert budget.spent.calls == 3


def test_budget_of_optoprime():
    """It is an argument of every optimizer that asks a model."""
    parameter = node(1.0, trainable=True)
    answer = '{"reasoning": "", "answer": "", "suggestion": {"NAME": 2.0}}'.replace("NAME", parameter.py_name)
    optimizer = OptoPrime([parameter], Scripted([answer] * 2), budget=Budget(calls=1))
    optimizer.backward(parameter * 2, "too small")
    optimizer.step()
    assert optimizer.usage.calls == 1
    optimizer.zero_feedback()
    optimizer.backward(parameter * 2, "too small")
    with pytest.raises(BudgetExceededError):
        optimizer.step()
    assert parameter.data == 2.0


def test_counting_keeps_the_import_light():
    """Neither LiteLLM nor pydantic, numpy or SQLite is imported with the optimizers."""
    program = (
        "import sys, opto.optimizers\n"
        "print(sorted({'litellm', 'pydantic', 'numpy', 'sqlite3', 'tiktoken', 'asyncio'} & sys.modules.keys()))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True
    )
    assert run.stdout.strip() == "[]", run.stderr
