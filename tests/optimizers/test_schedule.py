"""Schedule: another objective, temperature or model from step to step."""

import copy
import json

import pytest

from opto.optimizers import LineSearch, Optimizer, OptoPrime, OptoPrimeMulti, Schedule
from opto.testing import Scripted
from opto.trace import node


def answers(parameter, *values):
    """Answers that suggest one value after the other."""
    return [json.dumps({"suggestion": {parameter.py_name: value}}) for value in values]


def step(optimizer, x):
    """Forward, backward, step."""
    optimizer.zero_feedback()
    optimizer.backward(x + 1, "more")
    return optimizer.step()


class NoModel(Optimizer):
    """Neither asks nor has an objective."""

    def _propose(self):
        return {}
        yield


class OldStyle(Optimizer):
    """Calls its model itself."""

    def _step(self):
        return {}


def test_temperature_by_a_list_and_by_a_function():
    """The last item serves for all later steps."""
    for schedule in ([1.0, 0.5], lambda step: [1.0, 0.5, 0.5][step]):
        x = node(0, trainable=True, name="x")
        optimizer = Schedule(OptoPrime([x], Scripted(answers(x, 1, 2, 3))), temperature=schedule)
        for _ in range(3):
            step(optimizer, x)
        assert [options["temperature"] for _, options in optimizer.llm.requests] == [1.0, 0.5, 0.5]


def test_models_and_objectives():
    """Each step asks its own model, for its own objective; None leaves a step as it is."""
    x = node(0, trainable=True, name="x")
    small, large = Scripted(answers(x, 1)), Scripted(answers(x, 3))
    own = Scripted(answers(x, 2))
    optimizer = Schedule(OptoPrime([x], own), llm=[small, None, large], objective=["Be right.", None, "Be short."])
    assert [list(step(optimizer, x).values()) for _ in range(3)] == [[1], [2], [3]]
    shown = [each.requests[0][0][1]["content"] for each in (small, own, large)]
    assert ["Be right." in text for text in shown] == [True, True, False]
    assert "Be short." in shown[2]


def test_a_temperature_of_its_own_stays():
    """Candidates at different temperatures keep them."""
    x = node(0, trainable=True, name="x")
    optimizer = Schedule(OptoPrimeMulti([x], Scripted(answers(x, 1, 2, 3)), judge=False), temperature=[0.3])
    step(optimizer, x)
    assert sorted(options["temperature"] for _, options in optimizer.llm.requests) == [0.0, 0.5, 1.0]


def test_a_failed_step_does_not_count():
    """It is taken again with the same."""
    x = node(0, trainable=True, name="x")
    script = Scripted([ConnectionError("dead"), *answers(x, 1, 2)])
    optimizer = Schedule(OptoPrime([x], script, use_json_object_format=False), temperature=[0.1, 0.2])
    with pytest.raises(ConnectionError):
        step(optimizer, x)
    step(optimizer, x)
    step(optimizer, x)
    assert [options["temperature"] for _, options in script.requests] == [0.1, 0.1, 0.2]


def test_state():
    """A resumed run goes on at its place; a copy counts on its own."""
    x = node(0, trainable=True, name="x")
    optimizer = Schedule(LineSearch(OptoPrime([x], Scripted(answers(x, 1, 2))), len), temperature=[0.1, 0.2])
    step(optimizer, x)
    other = Schedule(LineSearch(OptoPrime([x], Scripted(answers(x, 3))), len), temperature=[0.1, 0.2])
    other.load_state_dict(optimizer.state_dict())
    twin = copy.deepcopy(optimizer)
    step(other, x)
    assert other.llm.requests[0][1]["temperature"] == 0.2
    assert (twin.position, optimizer.position, other.position) == (1, 1, 2)
    assert (other.steps, other.optimizer.steps, other.optimizer.optimizer.steps) == (2, 2, 2)
    with pytest.raises(ValueError, match="must be of a Schedule"):
        other.load_state_dict(optimizer.optimizer.state_dict())


async def test_async():
    """`astep` does the same."""
    x = node(0, trainable=True, name="x")
    optimizer = Schedule(OptoPrime([x], Scripted(answers(x, 1))), temperature=[0.1])
    optimizer.backward(x + 1, "more")
    assert await optimizer.astep() == {x: 1}


def test_what_cannot_be_scheduled():
    """The error says why."""
    x = node(0, trainable=True)
    with pytest.raises(TypeError, match="has no objective"):
        Schedule(NoModel([x]), objective=["a"])
    with pytest.raises(TypeError, match="sends its requests itself"):
        Schedule(OldStyle([x]), temperature=[0.1])
    with pytest.raises(TypeError, match="temperature must be a list over the steps"):
        Schedule(NoModel([x]), temperature=0.5)
    with pytest.raises(ValueError, match="llm must hold a value"):
        Schedule(NoModel([x]), llm=[])
