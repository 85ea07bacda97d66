"""Hybrid: each parameter to the optimizer that suits it, one step, one swap."""

import asyncio
import copy
import json
import threading
from typing import Literal

import pytest

from opto.errors import ModelError, UnreachedFeedbackWarning
from opto.optimizers import Choices, FewShot, Hybrid, Numeric, Optimizer, OptoPrime, OptoPrimeV2, Select
from opto.optimizers.drivers import Request
from opto.runs import codec
from opto.testing import Scripted
from opto.trace import GRAPH, bundle, node
from opto.trace.nodes import ParameterNode, feedback_lock


@pytest.fixture(autouse=True)
def _names():
    GRAPH.clear()


def program():
    """A program with a parameter of each kind."""
    limit = node(3, trainable=True, constraint=range(1, 9), name="limit")
    style = node("Be nice.", trainable=True, name="style")
    tone = node("a", trainable=True, constraint=Choices(["a", "b"]), name="tone")
    demos = node([], trainable=True, name="demos")

    @bundle()
    def run(question, limit, style, tone, demos):
        return f"{question} {limit} {style} {tone} {demos}"

    parameters = [limit, style, tone, demos]
    return parameters, lambda: run("q", *parameters)


def answer(value="Be short."):
    """What a model says that changes the style."""
    return json.dumps({"reasoning": "", "suggestion": {"style0": value}})


def few_shot(parameters):
    """A factory."""
    return FewShot(parameters, ["d1", "d2", "d3", "d4", "d5"], seed=0)


def test_routes():
    """Ranges, candidates, lists and texts; a rule comes before."""
    parameters, _ = program()
    kind = node("x", trainable=True, constraint=Literal["x", "y"], name="kind")
    flag = node(True, trainable=True, name="flag")
    hybrid = Hybrid([*parameters, kind, flag], optimizers={"few_shot": few_shot}, seed=0)
    names = {name: [each.py_name for each in optimizer.parameters] for name, optimizer in hybrid.optimizers.items()}
    assert names == {
        "numeric": ["limit0", "kind0", "flag0"],
        "optoprime": ["style0"],
        "select": ["tone0"],
        "few_shot": ["demos0"],
    }
    assert [type(each) for each in hybrid.optimizers.values()] == [Numeric, OptoPrime, Select, FewShot]
    ruled = Hybrid(
        [*parameters, kind],
        rules=[(lambda parameter: parameter.py_name == "kind0", "select")],
        optimizers={"optoprime": OptoPrimeV2},
        seed=0,
    )
    assert [each.py_name for each in ruled.optimizers["select"].parameters] == ["tone0", "kind0"]
    assert [each.py_name for each in ruled.optimizers["optoprime"].parameters] == ["style0", "demos0"]
    assert isinstance(ruled.optimizers["optoprime"], OptoPrimeV2)


def test_all_values_in_one_swap():
    """A thread that holds the lock sees all old values or all new ones, over many steps."""
    parameters, run = program()
    numbers = iter(range(10_000))
    hybrid = Hybrid(
        parameters, lambda messages, **options: answer(f"Be {next(numbers)}"), optimizers={"few_shot": few_shot}, seed=0
    )
    seen, done = set(), threading.Event()

    def watch():
        while not done.is_set():
            with feedback_lock:
                seen.add(tuple(map(str, (parameter._data for parameter in parameters))))

    states = {tuple(map(str, (parameter.data for parameter in parameters)))}
    watcher = threading.Thread(target=watch)
    watcher.start()
    for number in range(15):
        hybrid.zero_feedback()
        hybrid.backward(run(), (number % 3 / 2, "shorter"))
        hybrid.step()
        states.add(tuple(map(str, (parameter.data for parameter in parameters))))
    done.set()
    watcher.join()
    assert seen <= states
    assert len(states) == 16


class Asking(Optimizer):
    """Asks its model one question."""

    def __init__(self, parameters, llm=None):
        super().__init__(parameters)
        self.llm = llm

    def _propose(self):
        replies = yield [Request([{"role": "user", "content": self.parameters[0].py_name}])]
        return {self.parameters[0]: replies[0].text}


@pytest.mark.parametrize("asynchronous", [False, True])
def test_requests_go_out_together(asynchronous):
    """Two optimizers that ask are in flight at the same time; each may have a model of its own."""
    left, right = node("l", trainable=True, name="left"), node("r", trainable=True, name="right")
    both = threading.Barrier(2)

    def model(messages, **options):
        both.wait(10)
        return "shared " + messages[0]["content"]

    def own(messages, **options):
        both.wait(10)
        return "own " + messages[0]["content"]

    hybrid = Hybrid(
        [left, right],
        model,
        rules=[(lambda parameter: parameter is left, "first"), (lambda parameter: True, "second")],
        optimizers={"first": Asking, "second": lambda parameters: Asking(parameters, own)},
    )
    hybrid.backward(left + right, "better")
    if asynchronous:
        asyncio.run(hybrid.astep())
    else:
        hybrid.step()
    assert (left.data, right.data) == ("shared left0", "own right0")


def test_a_failed_model_changes_nothing_and_no_score_is_counted():
    """The step may be taken again: the samplers learn once."""
    parameters, run = program()
    limit, style, tone, _ = parameters
    hybrid = Hybrid([limit, style, tone], Scripted([ModelError("down"), ModelError("down"), answer()]), seed=0)
    hybrid.backward(run(), (0.5, "shorter"))
    before = [parameter.data for parameter in parameters]
    with pytest.raises(ModelError):
        hybrid.step()
    assert [parameter.data for parameter in parameters] == before
    assert len(hybrid.optimizers["numeric"].memory) == 0
    hybrid.step()
    assert style.data == "Be short."
    assert len(hybrid.optimizers["numeric"].memory) == len(hybrid.optimizers["select"].memory) == 1


def test_feedback_without_a_score_is_an_error_before_anyone_is_asked():
    """The model is not paid for a step that cannot be."""
    parameters, run = program()
    model = Scripted([answer()])
    hybrid = Hybrid(parameters[:3], model, seed=0)
    hybrid.backward(run(), "shorter")
    with pytest.raises(TypeError, match="score_from"):
        hybrid.step()
    assert model.requests == []
    reading = Hybrid(parameters[:3], model, seed=0, score_from=lambda feedback: 0.5)
    reading.step()
    assert parameters[1].data == "Be short."


def test_texts_alone_need_no_score():
    """Where no sampler takes part, feedback is what it is for OptoPrime."""
    style = node("Be nice.", trainable=True, name="style")
    hybrid = Hybrid([style], lambda messages, **options: answer())
    hybrid.backward(style + "!", "shorter")
    assert hybrid.step() == {style: "Be short."}


def test_runs_are_harvested_through_it():
    """Optimizers that learn from outputs see those of the hybrid's `backward`."""
    parameters, run = program()
    hybrid = Hybrid(parameters, lambda messages, **options: answer(), optimizers={"few_shot": few_shot}, seed=0)
    hybrid.backward(run(), (1.0, "good"))
    [harvested] = [each for each in hybrid.optimizers["few_shot"].pool[parameters[3]] if isinstance(each, dict)]
    assert harvested["question"] == "q"


def test_score_functions_in_the_parts():
    """A part with a score function works in every step, feedback or not, and off the event loop."""
    limit = node(3, trainable=True, constraint=range(1, 9), name="limit")
    hybrid = Hybrid(
        [limit],
        optimizers={
            "numeric": lambda chosen: Numeric(chosen, score=lambda values: values[limit], batch=30, sampler="random")
        },
        seed=0,
    )
    asyncio.run(hybrid.astep())
    assert limit.data == 8
    assert hybrid.best() == {limit: 8}


def test_the_seed_reaches_what_its_functions_make():
    """Optimizers made without a seed draw from the hybrid's, also one within another; one with a seed keeps it."""
    tone = node("b", trainable=True, constraint=Choices(["a", "b"]), name="tone")
    kind = node("b", trainable=True, constraint=Choices(["a", "b"]), name="kind")
    limit = node(3, trainable=True, constraint=range(1, 9), name="limit")

    def made(seed, **functions):
        rules = [(lambda parameter: parameter is kind, "own")]
        functions = {"own": lambda chosen: Select(chosen, seed=5), **functions}
        return Hybrid([tone, kind, limit], optimizers=functions, rules=rules, seed=seed)

    def drawn(seed):
        """The numbers that a search draws, in order."""
        tried = []
        hybrid = made(
            seed,
            numeric=lambda chosen: Numeric(
                chosen, score=lambda values: tried.append(values[limit]) or 0.0, batch=30, sampler="random"
            ),
        )
        hybrid.optimizers["numeric"].step()
        return tried

    hybrid = made(7, select=lambda chosen: Hybrid(chosen, optimizers={"select": Select}), numeric=Numeric)
    within = hybrid.optimizers["select"].optimizers["select"]
    assert (within.seed, hybrid.optimizers["numeric"].seed, hybrid.optimizers["own"].seed) == (7, 7, 5)
    assert drawn(7) == drawn(7) != drawn(8)
    assert len({made(None, numeric=Numeric).optimizers["numeric"].seed for _ in range(4)}) > 1


def test_without_feedback():
    """A step without feedback warns."""
    parameters, _ = program()
    with pytest.warns(UnreachedFeedbackWarning):
        assert Hybrid(parameters[:3], seed=0).step() == {}


def test_state_round_trip_and_copies():
    """A restored hybrid, and a copy, go on as the first would have."""
    results = []
    for kind in ("same", "restored", "copied"):
        GRAPH.clear()
        parameters, run = program()

        def made():
            return Hybrid(parameters, lambda messages, **options: answer(), optimizers={"few_shot": few_shot}, seed=2)

        hybrid = made()
        for number in range(12):
            if number == 6 and kind == "restored":
                state = codec.loads(codec.dumps(hybrid.state_dict()))
                hybrid = made()
                hybrid.load_state_dict(state)
            elif number == 6 and kind == "copied":
                hybrid = copy.deepcopy(hybrid)
            hybrid.zero_feedback()
            hybrid.backward(run(), (parameters[0].data / 8, "more"))
            hybrid.step()
        results.append([parameter.data for parameter in parameters])
    assert results[0] == results[1] == results[2]
    with pytest.raises(ValueError, match="of a Hybrid of"):
        Hybrid(parameters[:1], seed=0).load_state_dict(hybrid.state_dict())


def test_older_optimizers_take_part():
    """One that overrides `_step` is called in its turn."""

    class Older(Optimizer):
        def _step(self, *args, **kwargs):
            return {self.parameters[0]: "new"}

    style = node("old", trainable=True, name="style")
    hybrid = Hybrid([style], optimizers={"optoprime": Older})
    hybrid.backward(style + "!", "x")
    assert hybrid.step() == {style: "new"}


def test_bad_input():
    """Errors name what is wrong."""
    style = node("old", trainable=True, name="style")
    with pytest.raises(ValueError, match="'nobody'"):
        Hybrid([style], rules=[(lambda parameter: True, "nobody")])
    with pytest.raises(TypeError, match="must make an Optimizer"):
        Hybrid([style], optimizers={"optoprime": lambda parameters: 3})
    assert isinstance(style, ParameterNode)
