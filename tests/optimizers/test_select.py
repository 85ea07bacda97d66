"""Select: given values, chosen by a bandit."""

import asyncio
import copy
import random
import statistics
from typing import Literal

import pytest

from opto.errors import OptoWarning
from opto.optimizers import Choices, Select
from opto.optimizers.bandits import thompson, ucb1
from opto.optimizers.scores import Tally
from opto.runs import codec
from opto.trace import node

CHANCES = [0.3, 0.4, 0.5, 0.6, 0.85]


def play(optimizer, parameter, draw, steps, chances=CHANCES):
    """Steps of one Bernoulli score each; the regret."""
    regret = 0.0
    for _ in range(steps):
        optimizer.zero_feedback()
        chance = chances[parameter.data]
        regret += max(chances) - chance
        optimizer.backward(parameter + 0, float(draw.random() < chance))
        optimizer.step()
    return regret


@pytest.mark.parametrize("rule", ["thompson", "ucb1"])
def test_regret_is_lower_than_that_of_uniform_choice(rule):
    """Over seeds, clearly; and the best value is found nearly always."""
    regrets, right = [], 0
    for seed in range(10):
        parameter = node(0, trainable=True)
        optimizer = Select([parameter], range(5), rule=rule, seed=seed)
        regrets.append(play(optimizer, parameter, random.Random(seed), 200))
        right += optimizer.best() == {parameter: 4}
    uniform = 200 * statistics.mean(max(CHANCES) - chance for chance in CHANCES)
    assert statistics.mean(regrets) < 0.75 * uniform
    assert right >= 7


@pytest.mark.parametrize("rule", [ucb1, thompson])
def test_rules_take_the_clear_leader(rule):
    """With much evidence the rules exploit; equal arms are told apart by chance."""
    arms = [Tally.of([0.0] * 500), Tally.of([1.0] * 500), Tally.of([0.0] * 500)]
    assert {rule(arms, random.Random(seed)) for seed in range(20)} == {1}
    assert len({rule([Tally(), Tally(), Tally()], random.Random(seed)) for seed in range(20)}) == 3


def test_the_present_value_stays_when_the_evidence_is_thin():
    """Ten candidates that are no better, judged by 16 items each: it is replaced about as seldom as said."""
    kept = 0
    for seed in range(60):
        draw = random.Random(seed)
        parameter = node(0, trainable=True)
        optimizer = Select(
            [parameter],
            range(10),
            score=lambda values, draw=draw: [float(draw.random() < 0.5) for _ in range(16)],
            batch=11,
            seed=seed,
        )
        optimizer.step()
        kept += parameter.data == 0
    assert kept >= 48  # 54 expected


def test_a_clearly_better_value_replaces_it():
    """A function or a model is a value like any other."""
    fast, good = object(), object()
    parameter = node(fast, trainable=True)
    optimizer = Select(
        [parameter], [good], score=lambda values: [float(values[parameter] is good)] * 10, batch=3, seed=0
    )
    optimizer.step()
    assert parameter.data is good
    assert [known["score"] for known in optimizer.estimates()] == [1.0, 0.0]


def test_a_copy_goes_on():
    """A copied optimizer knows the same values as the same objects."""
    values = [object(), object()]
    parameter = node(values[0], trainable=True)
    optimizer = Select(
        [parameter], values, score=lambda chosen: float(chosen[parameter] is values[1]), batch=20, seed=1
    )
    twin = copy.deepcopy(optimizer)
    twin.step()
    assert parameter.data is values[1]
    assert optimizer.estimates()[0]["count"] == 0


def test_examples_are_met_once_by_each_value():
    """Every value is tried; none meets an example twice, all in the same order; then there is nothing left to try."""
    parameter = node("a", trainable=True)
    met = {}

    def score(values, items):
        met.setdefault(values[parameter], []).extend(items)
        return [1.0 for _ in items]

    optimizer = Select([parameter], ["a", "b", "c"], score=score, examples=range(10), minibatch=4, seed=0)
    for _ in range(3):
        optimizer.step()
    assert set(met) == {"a", "b", "c"}
    for _ in range(6):
        optimizer.step()
    assert met == dict.fromkeys("abc", list(range(10)))
    assert [known["count"] for known in optimizer.estimates()] == [10, 10, 10]
    with pytest.warns(OptoWarning, match="all examples"):
        optimizer.step()
    assert parameter.data == "a"


def test_values_are_compared_on_the_same_examples():
    """Where examples differ much in difficulty a small gain on each is seen, as it would not be on examples apart."""
    parameter = node("a", trainable=True)

    def score(values, items):
        return [0.8 * (item % 2) + (0.1 if values[parameter] == "b" else 0.0) for item in items]

    optimizer = Select([parameter], ["a", "b"], score=score, examples=range(24), batch=6, seed=0)
    optimizer.step()
    assert parameter.data == "b"
    parameter._data = "a"
    apart = Select([parameter], ["a", "b"], score=lambda values: score(values, range(8)), batch=6, seed=0)
    apart.step()
    assert parameter.data == "a"


def test_failures_on_examples():
    """A failed example counts as the worst, a failed evaluation as the worst on each example."""
    parameter = node("ok", trainable=True)

    def score(values, items):
        if values[parameter] == "bad":
            raise RuntimeError("no")
        return [float("nan") if item == 0 else 1.0 for item in items]

    optimizer = Select([parameter], ["ok", "bad"], score=score, batch=2, examples=range(4), minibatch=4, seed=0)
    with pytest.warns(OptoWarning, match="RuntimeError"):
        optimizer.step()
    assert [(known["score"], known["count"]) for known in optimizer.estimates()] == [(0.75, 4), (0.0, 4)]


def test_state_with_examples():
    """A restored optimizer goes on with the examples that are left."""
    parameter = node("a", trainable=True)

    def score(values, items):
        return [float(values[parameter] == "b") for _ in items]

    def made():
        return Select([parameter], ["a", "b"], score=score, examples=range(12), minibatch=4, seed=1)

    optimizer = made()
    optimizer.step()
    optimizer.step()
    twin = made()
    twin.load_state_dict(codec.loads(codec.dumps(optimizer.state_dict())))
    assert twin.estimates() == optimizer.estimates()
    for _ in range(4):
        twin.step()
    assert [known["count"] for known in twin.estimates()] == [12, 12]
    assert parameter.data == "b"


def test_number_of_scores():
    """One score for all examples does not say which of them went well."""
    optimizer = Select([node(0, trainable=True)], [0, 1], score=lambda values, items: 0.5, examples=range(9), seed=0)
    with pytest.raises(ValueError, match="8 numbers, one for each example, got 1"):
        optimizer.step()


def test_declared_candidates():
    """Choices, literals, enums and short ranges need no list."""
    tone = node("a", trainable=True, constraint=Choices(["a", "b"]))
    kind = node("x", trainable=True, constraint=Literal["x", "y", "z"])
    count = node(2, trainable=True, constraint=range(4))
    optimizer = Select([tone, kind, count], seed=0)
    assert len(optimizer.estimates()) == 2 + 3 + 4


def test_several_parameters_one_bandit_each_or_jointly():
    """A joint bandit finds a combination that no parameter shows alone."""
    left, right = node(0, trainable=True), node(0, trainable=True)

    def score(values):
        return float(values[left] == values[right] == 1) * 0.9

    joint = Select([left, right], {left: [0, 1], right: [0, 1]}, joint=True, score=score, batch=40, seed=0)
    joint.step()
    assert (left.data, right.data) == (1, 1)
    assert len(joint.estimates()) == 4


def test_losses():
    """Minimizing, with a range of its own."""
    parameter = node(5, trainable=True)
    optimizer = Select(
        [parameter],
        [5, 1, 9],
        direction="minimize",
        score_range=(0, 10),
        score=lambda values: float(values[parameter]),
        batch=60,
        seed=0,
    )
    optimizer.step()
    assert parameter.data == 1
    assert [known["score"] for known in optimizer.estimates()] == pytest.approx([5.0, 1.0, 9.0])


def test_failures_count_as_the_worst():
    """A value whose evaluation fails loses."""
    parameter = node("ok", trainable=True)

    def score(values):
        if values[parameter] == "bad":
            raise RuntimeError("no")
        return 0.5

    optimizer = Select([parameter], ["ok", "bad"], score=score, batch=8, seed=0, rule="ucb1")
    with pytest.warns(OptoWarning, match="RuntimeError"):
        optimizer.step()
    assert [known["score"] for known in optimizer.estimates()] == [0.5, 0.0]
    assert parameter.data == "ok"


def test_a_score_outside_the_range():
    """Nothing is learned from it."""
    parameter = node(0, trainable=True)
    optimizer = Select([parameter], [0, 1], seed=0)
    optimizer.backward(parameter + 0, 7)
    with pytest.raises(ValueError, match="score_range"):
        optimizer.step()
    assert optimizer.estimates()[0]["count"] == 0


def test_state_round_trip():
    """A restored optimizer goes on as the first would have."""
    runs = []
    for restored in (False, True):
        parameter = node(0, trainable=True)
        optimizer = Select([parameter], range(5), seed=3)
        draw = random.Random(0)
        play(optimizer, parameter, draw, 20)
        if restored:
            state = codec.loads(codec.dumps(optimizer.state_dict()))
            optimizer = Select([parameter], range(5))  # made while another value is in place
            optimizer.load_state_dict(state)
        play(optimizer, parameter, draw, 20)
        runs.append([(known["count"], known["score"]) for known in optimizer.estimates()])
    assert runs[0] == runs[1]
    unlisted = Select([node("old", trainable=True)], ["a", "b"], score=lambda values: 0.0, batch=4, seed=0)
    unlisted.step()
    other = Select([node("a", trainable=True)], ["a", "b"])
    other.load_state_dict(unlisted.state_dict())
    assert list(other.best().values()) == ["old"]
    with pytest.raises(ValueError, match="as many candidates"):
        Select([node(0, trainable=True)], range(4)).load_state_dict(optimizer.state_dict())


async def test_many_at_a_time():
    """Optimizers that step at the same time do not meet."""
    parameters = [node(0, trainable=True) for _ in range(8)]
    optimizers = [
        Select([each], [0, 1], score=lambda values, each=each: float(values[each]), batch=30, seed=0)
        for each in parameters
    ]
    await asyncio.gather(*(optimizer.astep() for optimizer in optimizers))
    assert [each.data for each in parameters] == [1] * 8


@pytest.mark.parametrize(
    ("candidates", "options", "error", "message"),
    [
        (None, {}, ValueError, "must have candidates"),
        ("text", {}, TypeError, "list of values"),
        ({"other": [1]}, {}, ValueError, "must have candidates"),
        ([1, 2], {"rule": "greedy"}, ValueError, "rule must be one of"),
        ([1, 2], {"confidence": 1.0}, ValueError, "confidence"),
        ([1, 2], {"least": 0}, ValueError, "least"),
        ([1, 2], {"score_range": (1, 0)}, ValueError, "score_range"),
        (range(1001), {"joint": True}, ValueError, "combinations"),
        ([1, 2], {"minibatch": 0}, ValueError, "minibatch"),
        ([1, 2], {"examples": [1]}, ValueError, "need score="),
        ([1, 2], {"examples": [], "score": lambda values, items: 0}, ValueError, "at least one example"),
    ],
)
def test_bad_input(candidates, options, error, message):
    """Errors name the argument."""
    with pytest.raises(error, match=message):
        Select([node(0, trainable=True)], candidates, **options)
