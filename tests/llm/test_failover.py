"""Going on with another model when one cannot be reached."""

import copy
import pickle

import pytest

from opto.errors import BudgetExceededError, ModelAccessError, ModelError, ModelTimeoutError, ReplayError
from opto.llm import Budget, Failover, Model
from opto.runs import EventLog, listening
from opto.testing import ModelSuite, Scripted

MESSAGES = [{"role": "user", "content": "hello"}]


class Second(Scripted):
    """Another model."""


class TestAsAModel(ModelSuite):
    """It is a model like others."""

    def make_model(self):
        return Failover(Scripted([ModelTimeoutError("late")] * 20), Second(["hello"] * 20))


@pytest.mark.parametrize(
    "failure",
    [
        ModelTimeoutError("late"),
        ModelError("busy", transient=True, status=429),
        ModelError("quota", status=429),
        ModelError("broken", transient=True, status=503),
        ModelError("no such model", status=404),
        ModelAccessError("no key"),
        ModelAccessError("refused", status=401),
        ConnectionError("gone"),
    ],
)
def test_goes_on_where_another_may_answer(failure):
    """The next model is asked the same, and it is noted who answered."""
    first, second = Scripted([failure, "first"]), Second(["second"])
    model = Failover(first, second)
    with listening(EventLog()) as log:
        response = model(MESSAGES, temperature=0.5)
    assert (response.text, response.model) == ("second", "Second")
    assert second.requests == first.requests
    (event,) = log.of("failover")
    assert (event.data["model"], event.data["next"]) == ("Scripted", "Second")
    assert model(MESSAGES).text == "first"
    assert model.answered == {"Second": 1, "Scripted": 1}


@pytest.mark.parametrize(
    "failure",
    [
        ModelError("bad request", status=400),
        ModelError("unprocessable", status=422),
        TypeError("messages"),
        ReplayError("not on file"),
        BudgetExceededError("spent"),
    ],
)
def test_does_not_go_on_where_no_other_can(failure):
    """A bad request is bad for all."""
    second = Second(["second"])
    with pytest.raises(type(failure), match=str(failure)):
        Failover(Scripted([failure]), second)(MESSAGES)
    assert not second.requests


async def test_async_form():
    """The same on the event loop."""
    model = Failover(Scripted([ModelTimeoutError("late")]), Second(["second"]))
    assert (await model.acall(MESSAGES)).text == "second"
    with pytest.raises(ModelError, match="script"):
        await Failover(Scripted([ModelTimeoutError("late")]), Second([])).acall(MESSAGES)


def test_the_last_error_when_all_have_failed():
    """It has the earlier ones in its notes, where Python has notes."""
    with pytest.raises(ModelTimeoutError, match="too late") as caught:
        Failover(Scripted([ModelTimeoutError("late")]), Second([ModelTimeoutError("too late")]))(MESSAGES)
    notes = getattr(caught.value, "__notes__", None)
    if hasattr(caught.value, "add_note"):
        assert notes == ["before that, Scripted failed: ModelTimeoutError: late"]


def test_each_attempt_is_paid_for():
    """A request to the second model takes its own place in a budget."""
    with Budget(calls=2) as budget:
        Failover(Scripted([ModelTimeoutError("late")]), Second(["second"]))(MESSAGES)
    assert budget.spent.calls == 2


def test_copies_and_names():
    """It copies, pickles, and is called like its first model."""
    model = Failover(Scripted(["a", "b"]), Second([]))
    assert model.name == "Scripted"
    assert copy.deepcopy(model)(MESSAGES).text == "a"
    assert isinstance(pickle.loads(pickle.dumps(model)), Model)
    with pytest.raises(ValueError, match="at least one"):
        Failover()
