"""Numeric: declared ranges, searched by Optuna's samplers."""

import asyncio
import copy
import enum
import logging
import statistics
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Le

from opto.errors import ExecutionError, MissingExtraError, OptoWarning, UnreachedFeedbackWarning
from opto.optimizers import Numeric, Range
from opto.optimizers import trials as trials_module
from opto.runs import EventLog, codec, listening
from opto.trace import bundle, node


class Mode(enum.Enum):
    """A choice."""

    FAST = "fast"
    GOOD = "good"


def problem(start=0.0):
    """A quadratic in a float, an int, a bool and a choice; its minimum 0 is at 2, 4, False and "good"."""
    x = node(start, trainable=True, constraint=Range(-5.0, 5.0), name="x")
    n = node(7, trainable=True, constraint=range(10), name="n")
    flag = node(True, trainable=True, name="flag")
    kind = node("fast", trainable=True, constraint=Literal["fast", "good"], name="kind")

    @bundle()
    def loss(x, n, flag, kind):
        return (x - 2) ** 2 + (n - 4) ** 2 + 4 * flag + 2 * (kind == "fast")

    return [x, n, flag, kind], loss


def search(optimizer, loss, steps, sign=1):
    """Steps by feedback; the values that were tried."""
    tried = []
    for _ in range(steps):
        optimizer.zero_feedback()
        output = loss(*optimizer.parameters)
        tried.append([parameter.data for parameter in optimizer.parameters])
        optimizer.backward(output, sign * output.data)
        optimizer.step()
    return tried


@pytest.mark.parametrize(("sampler", "limit"), [("tpe", 3), ("random", 6), ("cmaes", 3)])
def test_finds_the_optimum_of_a_quadratic(sampler, limit):
    """The mean best loss over seeds is far below that of the start, 21."""
    losses = []
    for seed in range(4):
        parameters, loss = problem()
        optimizer = Numeric(parameters, sampler=sampler, direction="minimize", seed=seed)
        search(optimizer, loss, 50)
        optimizer.update(optimizer.best())
        losses.append(loss(*parameters).data)
    assert statistics.mean(losses) < limit


def test_a_grid_tries_every_value_and_then_sets_the_best():
    """The grid ends with a warning."""
    x = node(1, trainable=True, constraint=range(4))
    y = node("a", trainable=True, constraint=Literal["a", "b"])
    optimizer = Numeric([x, y], sampler="grid", seed=0)
    seen = set()

    def step():
        optimizer.zero_feedback()
        seen.add((x.data, y.data))
        optimizer.backward(x + 0, x.data + (y.data == "b"))
        optimizer.step()

    for _ in range(8):  # the present value is scored first, and has its place in the grid as well
        step()
    with pytest.warns(OptoWarning, match="grid is done"):
        step()
    assert len(seen) == 8
    assert (x.data, y.data) == (3, "b")


def test_types_stay():
    """Floats, ints, bools, texts and enum members come back as what they are, inside their ranges."""
    parameters, loss = problem()
    mode = node(Mode.FAST, trainable=True, constraint=Mode)
    share = node(0.5, trainable=True, constraint=Annotated[float, Ge(0), Le(1)])
    rate = node(0.1, trainable=True, constraint=Range(1e-4, 1.0, log=True))
    optimizer = Numeric([*parameters, mode, share, rate], seed=1, score=lambda values: 0.0, batch=1)
    for _ in range(5):
        values = optimizer._told().ask()[1]
        kinds = [type(value) for value in values.values()]
        assert kinds == [float, int, bool, str, Mode, float, float]
        assert 0 <= list(values.values())[5] <= 1


def test_a_score_function_keeps_the_best():
    """With a function a step evaluates the present values once, then new ones, and never gets worse."""
    parameters, _ = problem(start=1.9)
    calls = []

    def score(values):
        x, n, flag, kind = values.values()
        calls.append(values)
        return -((x - 2) ** 2 + (n - 4) ** 2 + 4 * flag + 2 * (kind == "fast"))

    optimizer = Numeric(parameters, score=score, batch=3, seed=0)
    best = []
    for _ in range(6):
        optimizer.step()
        best.append(score({parameter: parameter.data for parameter in parameters}))
    assert best == sorted(best)
    assert list(calls[0].values()) == [1.9, 7, True, "fast"]


def test_failed_evaluations_are_told_as_failed():
    """An error of the program, NaN and an exception of the score function are failures; the search goes on."""
    import optuna

    x = node(1.0, trainable=True, constraint=Range(0.0, 2.0))

    @bundle()
    def half(x):
        if x > 1.5:
            raise ValueError("too large")
        return x

    optimizer = Numeric([x], sampler="random", seed=3)
    for _ in range(20):
        optimizer.zero_feedback()
        try:
            output = half(x)
            optimizer.backward(output, output.data)
        except ExecutionError as error:
            optimizer.backward(error.exception_node, "it failed")
        optimizer.step()
    states = [trial.state for trial in optimizer.study.trials]
    assert states.count(optuna.trial.TrialState.FAIL) >= 2
    assert optimizer.best()[x] <= 1.5
    assert any(past["score"] is None for past in optimizer.memory)

    def broken(values):
        raise RuntimeError("no")

    broken_one = Numeric([x], score=broken, seed=0)
    with pytest.warns(OptoWarning, match="RuntimeError: no"):
        assert broken_one.step() == {}


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes", "grid"])
def test_a_restored_optimizer_goes_on_as_the_first_would_have(sampler):
    """Trials are replayed: the next values are the same, with a pending trial too, through a text and by a copy."""
    parameters, loss = problem()

    def made():
        return Numeric(parameters, sampler=sampler, direction="minimize", seed=5)

    first = made()
    search(first, loss, 14)
    state = codec.loads(codec.dumps(first.state_dict()))
    values = {parameter: parameter.data for parameter in parameters}
    twin = copy.deepcopy(first)
    expected = search(first, loss, 10)
    for other in (made(), twin):
        if other is not twin:
            other.load_state_dict(state)
        other.update(values)
        assert search(other, loss, 10) == expected
        assert other.best() == first.best()


def test_another_seed_another_search():
    """The seed decides, and nothing else does."""
    runs = []
    for seed in (1, 1, 2):
        parameters, loss = problem()
        runs.append(search(Numeric(parameters, seed=seed), loss, 6))
    assert runs[0] == runs[1] != runs[2]


def test_values_that_were_not_asked_for_count_too():
    """A score is of the values that the forward pass read; the pending trial is given up."""
    x = node(0.0, trainable=True, constraint=Range(-5.0, 5.0))
    optimizer = Numeric([x], seed=0)
    for value in (0.0, 4.5):
        optimizer.update({x: value})
        optimizer.zero_feedback()
        output = x * 1
        optimizer.backward(output, output.data)
        optimizer.step()
    assert optimizer.best() == {x: 4.5}


def test_a_batch_of_outputs_is_one_evaluation():
    """Several scores of one step are averaged."""
    x = node(1.0, trainable=True, constraint=Range(0.0, 2.0))
    optimizer = Numeric([x], seed=0)
    for score in (0.0, 1.0, 1.0, 2.0):
        output = x * 1
        optimizer.backward(output, score)
    optimizer.step()
    assert [past["score"] for past in optimizer.memory] == [1.0]


def test_without_feedback_nothing_happens():
    """A step without feedback warns."""
    parameters, _ = problem()
    with pytest.warns(UnreachedFeedbackWarning):
        assert Numeric(parameters, seed=0).step() == {}


def test_optuna_stays_quiet(caplog, capsys):
    """No note of Optuna's reaches the log or the terminal, and its verbosity is as before."""
    import optuna

    before = optuna.logging.get_verbosity()
    parameters, loss = problem()
    with caplog.at_level(logging.DEBUG):
        search(Numeric(parameters, seed=0), loss, 3)
    assert optuna.logging.get_verbosity() == before
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_events():
    """Every evaluation and every step is told."""
    parameters, loss = problem()
    log = EventLog()
    with listening(log):
        search(Numeric(parameters, seed=0), loss, 2)
    attempts = log.of("attempt")
    assert [event.data["outcome"] for event in attempts] == ["scored", "scored"]
    assert len(log.of("step")) == 2


async def test_a_score_function_does_not_block_the_event_loop():
    """`astep` lets other tasks run while the score function waits for one of them."""
    import threading

    x = node(1.0, trainable=True, constraint=Range(0.0, 2.0))
    released = threading.Event()

    async def release():
        released.set()

    optimizer = Numeric([x], score=lambda values: float(released.wait(5)), seed=0)
    _, values = await asyncio.gather(optimizer.astep(), release())
    assert released.is_set()
    assert optimizer.best()


@pytest.mark.parametrize(
    ("value", "options", "error", "message"),
    [
        ("text", {}, ValueError, "declared range"),
        (1.0, {"sampler": "best"}, ValueError, "sampler must be one of"),
        (1.0, {"batch": 0}, ValueError, "batch must be"),
        (1.0, {"points": True}, TypeError, "points must be"),
        (1.0, {"direction": "up"}, ValueError, "direction must be"),
        (1.0, {"seed": "x"}, TypeError, "seed must be"),
        (1.0, {"score": 3}, TypeError, "score must be"),
        (1.0, {"sampler": "cmaes"}, ValueError, "at least two"),
        (9.0, {}, ValueError, "not in Range"),
        (1.0, {"domains": {"other": Range(0, 1)}}, ValueError, "not among the parameters"),
    ],
)
def test_bad_input(value, options, error, message):
    """Errors name the argument, the value and the remedy."""
    constraint = None if isinstance(value, str) else Range(0.0, 2.0)
    parameter = node(value, trainable=True)
    parameter.constraint = constraint
    with pytest.raises(error, match=message):
        Numeric([parameter], **options)


def test_feedback_without_a_score():
    """A sentence is no score, unless a function reads one from it."""
    x = node(1.0, trainable=True, constraint=Range(0.0, 2.0))
    optimizer = Numeric([x], seed=0)
    optimizer.backward(x * 1, "score: 3")
    with pytest.raises(TypeError, match="score_from"):
        optimizer.step()
    reading = Numeric([x], seed=0, score_from=lambda text: float(text.split()[1]))
    reading.step()
    assert [past["score"] for past in reading.memory] == [3.0]


def test_domains_may_be_given():
    """A domain in the call stands in place of the declared one."""
    x = node(1, trainable=True)
    optimizer = Numeric([x], domains={x: Range(1, 3)}, sampler="grid", score=lambda values: values[x], batch=3)
    optimizer.step()
    assert x.data == 3
    assert type(x.data) is int


def test_a_missing_extra_is_named(monkeypatch):
    """Without Optuna the error names the extra."""
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"opto-trace\[optuna\]"):
        trials_module.needs_extra("tpe")


def test_a_state_of_another_version_of_optuna():
    """What was recorded counts where a replay draws other values."""
    parameters, loss = problem()
    optimizer = Numeric(parameters, direction="minimize", seed=5)
    search(optimizer, loss, 6)
    state = optimizer.state_dict()
    asked = next(operation for operation in state["trials"] if operation[0] == "ask")
    asked[1] = [2.0, 4, 0, 1]
    told = next(operation for operation in state["trials"] if operation[0] == "tell")
    told[2] = 0.0
    other = Numeric(parameters, direction="minimize", seed=5)
    other.load_state_dict(state)
    assert list(other.best().values()) == [2.0, 4, False, "good"]
