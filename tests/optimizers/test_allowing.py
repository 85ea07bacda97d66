"""Which parameters a step may change."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from opto.errors import SuggestionWarning
from opto.optimizers import OPRO, OptoPrime, OptoPrimeV2, TextGrad
from opto.optimizers.joint import propose_jointly
from opto.optimizers.optimizer import Optimizer
from opto.runs import EventLog, listening
from opto.trace import GRAPH, node


def _pair() -> tuple[Any, Any]:
    GRAPH.clear()
    return node(1, trainable=True, name="x"), node(1, trainable=True, name="y")


def both(messages: Any, **options: Any) -> str:
    """New values for both, asked for or not."""
    return json.dumps({"suggestion": {"x0": 5, "y0": 6, "stranger0": 7}})


@pytest.mark.parametrize("awaited", [False, True])
def test_a_suggestion_for_another_parameter_is_dropped_and_recorded(awaited: bool) -> None:
    """What a model suggests for a parameter that is not on the list changes nothing, and stands in the event."""
    x, y = _pair()
    optimizer = OptoPrime([x, y], both)
    optimizer.backward(x + y, "larger")
    with listening(EventLog()) as log:
        update = asyncio.run(optimizer.astep(only=[x])) if awaited else optimizer.step(only=[x])
    assert (update, x.data, y.data) == ({x: 5}, 5, 1)
    [attempt] = log.of("attempt")
    assert attempt.data["dropped"] == ["y0", "stranger0"]
    assert attempt.data["suggestion"] == {"x0": 5, "y0": 6, "stranger0": 7}


def test_others_are_shown_as_inputs() -> None:
    """The model is asked for the allowed ones alone, and sees the others."""
    x, y = _pair()
    asked: list[str] = []

    def model(messages: Any, **options: Any) -> str:
        asked.append(messages[1]["content"])
        return "<reasoning>no</reasoning>"

    optimizer = OptoPrimeV2([x, y], model)
    optimizer.backward(x + y, "larger")
    optimizer.step(only=[y])
    assert '<variable name="y0"' in asked[0]
    assert '<node name="x0"' in asked[0]


def test_opro_keeps_to_the_list() -> None:
    """So does a search without a graph."""
    x, y = _pair()
    optimizer = OPRO([x, y], both, score=lambda values: 1.0)
    optimizer.backward(x + y, 0.5)
    optimizer.step(only=[y])
    assert x.data == 1


def test_text_gradients_go_to_the_list_alone() -> None:
    """TextGrad asks about no other parameter."""
    x, y = _pair()
    asked: list[str] = []

    def model(messages: Any, **options: Any) -> str:
        asked.append(messages[1]["content"])
        return "<variable><name>y0</name><value>6</value></variable>"

    optimizer = TextGrad([x, y], model)
    optimizer.backward(x + y, "larger")
    assert optimizer.step(only=[y]) == {y: 6}
    assert not any("criticism of the input x0" in each for each in asked)


class Everything(Optimizer):
    """Proposes a value for each of its parameters, whatever is allowed."""

    def _propose(self, *args: Any, **kwargs: Any) -> Any:
        return dict.fromkeys(self.parameters, 9)
        yield


def test_any_optimizer_is_held_to_it() -> None:
    """Values of a subclass that does not ask are dropped, with a warning and an event."""
    x, y = _pair()
    optimizer = Everything([x, y])
    with listening(EventLog()) as log, pytest.warns(SuggestionWarning, match="y0 got new values"):
        assert optimizer.step(only=[x]) == {x: 9}
    [attempt] = log.of("attempt")
    assert (attempt.data["purpose"], list(attempt.data["rejected"])) == ("permit", ["y0"])
    assert optimizer.step() == {x: 9, y: 9}


@pytest.mark.parametrize("wrong", ["x0", 5, [5]])
def test_a_wrong_list_is_named(wrong: Any) -> None:
    """The error names the argument and the value, and nothing is set."""
    x, y = _pair()
    with pytest.raises(TypeError, match="only must be a list of ParameterNodes"):
        Everything([x, y]).step(only=wrong)
    assert (x.data, y.data) == (1, 1)


def test_joint_proposals_may_each_change_other_parameters() -> None:
    """Optimizers that propose together keep each to its own list, also where one does not ask its model itself."""
    x, y = _pair()
    optimizers = [OptoPrime([x, y], both) for _ in range(3)]
    optimizers.append(_Older([x, y]))
    for optimizer in optimizers:
        optimizer.zero_feedback()
        optimizer.backward(x + y, "larger")
    with pytest.warns(SuggestionWarning, match="which this step may not change"):
        outcomes = propose_jointly(optimizers, only=[[x], None, [y], [x]])
    assert outcomes == [{x: 5}, {x: 5, y: 6}, {y: 6}, {x: 7}]
    assert (x.data, y.data) == (1, 1)


class _Older(Optimizer):
    """One that overrides `_step`."""

    def _step(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict.fromkeys(self.parameters, 7)
