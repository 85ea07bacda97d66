"""FewShot: sets of demonstrations compete, and the present one stays unless another is clearly better."""

import asyncio
import copy
import random
import statistics

import pytest

from opto.errors import OptoWarning
from opto.optimizers import FewShot
from opto.optimizers.halving import Tournament
from opto.runs import EventLog, codec, listening
from opto.trace import bundle, node

LABELS = ["person", "place", "number", "time"]
ITEMS = [(f"question {number}", LABELS[number % 4]) for number in range(60)]


def accuracy(demos):
    """The simulated labeller knows the labels that its demonstrations show."""
    return 0.3 + 0.15 * len({label for _, label in demos})


def simulated(seed):
    """A score function that runs the labeller on the examples."""
    draw = random.Random(seed)

    def score(values, examples):
        [demos] = values.values()
        return [float(draw.random() < accuracy(demos)) for _ in examples]

    return score


def test_finds_demonstrations_for_a_labeller():
    """Over seeds, the accuracy rises from 0.3 to well over what a random set gives on average."""
    after = []
    for seed in range(8):
        demos = node([], trainable=True)
        optimizer = FewShot([demos], ITEMS, score=simulated(seed), seed=seed)
        optimizer.search()
        after.append(accuracy(demos.data))
    assert statistics.mean(after) > 0.65


def test_the_present_set_stays_when_the_evidence_is_thin():
    """Sets that are no better seldom replace it."""
    kept = 0
    for seed in range(30):
        draw = random.Random(seed)
        demos = node(ITEMS[:4], trainable=True)
        optimizer = FewShot(
            [demos],
            ITEMS,
            score=lambda values, examples, draw=draw: [float(draw.random() < 0.7) for _ in examples],
            seed=seed,
        )
        optimizer.search()
        kept += demos.data == ITEMS[:4]
    assert kept >= 24  # 27 expected


def test_a_step_is_a_rung():
    """Eight sets on 4 items, four on 8, two on 16, and one in a last rung; the present one in each."""
    seen = []

    def score(values, examples):
        seen.append(len(examples))
        return [0.5] * len(examples)

    demos = node([], trainable=True)
    optimizer = FewShot([demos], ITEMS, validation=range(60), score=score, minibatch=4, sets=8, seed=0)
    rungs = []
    for _ in range(4):
        seen.clear()
        assert optimizer.step() == {}
        rungs.append((len(seen), seen[0]))
    assert rungs == [(9, 4), (5, 8), (3, 16), (2, 32)]


def test_validation_items_are_no_demonstrations():
    """Half of the examples is set aside, and never shown to the program as a demonstration."""

    def score(values, examples):
        [shown] = values.values()
        assert not set(shown) & set(examples)
        return [1.0] * len(examples)

    demos = node([], trainable=True)
    optimizer = FewShot([demos], ITEMS, score=score, seed=0)
    optimizer.search()
    assert len(optimizer.validation) == 30
    assert len(optimizer.pool[demos]) == 30


def test_one_number_for_all_examples():
    """A mean is taken for what it may be at worst; a large difference still counts."""
    demos = node([], trainable=True)
    optimizer = FewShot(
        [demos], ITEMS, score=lambda values, examples: 0.2 if not values[demos] else 0.9, seed=0, sets=4
    )
    optimizer.search()
    assert len(demos.data) == 4


def test_by_backward_one_evaluation_a_step():
    """Without a score function, the feedback scores the set in place, and a step puts the next one in place."""
    after = []
    for seed in range(4):
        draw = random.Random(seed)
        demos = node([], trainable=True)

        @bundle()
        def label(question, demos, draw=draw):
            return draw.random() < accuracy(demos)

        optimizer = FewShot([demos], ITEMS, seed=seed, good=2.0, score_range=(0, 2))
        for _ in range(20):
            optimizer.zero_feedback()
            for question, _ in draw.sample(ITEMS, 24):
                output = label(question, demos)
                optimizer.backward(output, float(output.data))
            optimizer.step()
        after.append(accuracy(optimizer.best()[demos]))
    assert statistics.mean(after) > 0.6


def test_good_runs_are_harvested():
    """The inputs and the output of the call that takes the demonstrations, from runs that scored well."""
    demos = node([], trainable=True)

    @bundle()
    def answer(question, demos):
        return question.upper()

    @bundle()
    def shout(text):
        return text + "!"

    optimizer = FewShot([demos], seed=0)
    optimizer.backward(shout(answer("a", demos)), 1.0)
    optimizer.backward(shout(answer("b", demos)), 0.0)
    optimizer.backward(shout(answer("a", demos)), (1.0, "well done"))
    assert optimizer.pool[demos] == [{"question": "a", "output": "A"}]

    elsewhere = FewShot([demos], seed=0, at="shout", harvest_form=lambda inputs, output: (inputs["text"], output))
    elsewhere.backward(shout(answer("c", demos)), 1.0)
    assert elsewhere.pool[demos] == [("C", "C!")]


def test_bootstrap():
    """The program is run on examples; those that fail or score badly give nothing."""
    demos = node([], trainable=True)

    @bundle()
    def answer(number, demos):
        return 12 // number

    optimizer = FewShot([demos], seed=0, pool_size=2)
    found = optimizer.bootstrap(lambda x: answer(x, demos), [0, 1, 2, 3, 4], lambda output, x: float(output % 2 == 0))
    assert found == 2
    assert optimizer.pool[demos] == [{"number": 1, "output": 12}, {"number": 2, "output": 6}]


def test_several_lists_at_once():
    """Two parameters are drawn and judged together, each from a pool of its own."""
    first, second = node([], trainable=True), node([], trainable=True)

    def score(values, examples):
        return [float(len(values[first]) > 0) * 0.5 + float(len(values[second]) > 0) * 0.5] * len(examples)

    optimizer = FewShot(
        [first, second], {first: [1, 2, 3], second: ["a", "b"]}, validation=range(20), score=score, size=2, seed=0
    )
    optimizer.search()
    assert set(first.data) <= {1, 2, 3}
    assert set(second.data) == {"a", "b"}


def test_a_budget_is_kept():
    """A rung that would pass it is not begun."""
    demos = node([], trainable=True)
    optimizer = FewShot([demos], ITEMS, score=simulated(0), budget=100, seed=0)
    optimizer.search()
    assert optimizer.spent <= 100
    assert optimizer.spent > 50


def test_a_failing_score_counts_as_the_worst():
    """The set that breaks the program loses, with a warning."""
    demos = node([], trainable=True)

    def score(values, examples):
        if values[demos]:
            raise RuntimeError("too long")
        return [0.5] * len(examples)

    optimizer = FewShot([demos], ITEMS, score=score, sets=2, seed=0)
    with pytest.warns(OptoWarning, match="too long"):
        optimizer.search()
    assert demos.data == []


def test_state_round_trip():
    """A restored optimizer, and a copy, finish the competition as the first would have."""
    results = []
    for kind in ("same", "restored", "copied"):
        demos = node([], trainable=True)

        def score(values, examples):
            [shown] = values.values()
            return [accuracy(shown) - (hash(len(str(example))) % 7) / 100 for example in examples]

        optimizer = FewShot([demos], ITEMS, score=score, seed=3)
        optimizer.step()
        optimizer.step()
        if kind == "restored":
            state = codec.loads(codec.dumps(optimizer.state_dict()))
            optimizer = FewShot([demos], score=score, validation=[])
            optimizer.load_state_dict(state)
        elif kind == "copied":
            optimizer = copy.deepcopy(optimizer)
        while not demos.data:
            optimizer.step()
        results.append((demos.data, optimizer.spent, optimizer.best()[demos]))
    assert results[0] == results[1] == results[2]


async def test_many_at_a_time_and_events():
    """Optimizers that step at the same time do not meet, and each evaluation is told."""
    lists = [node([], trainable=True) for _ in range(4)]
    optimizers = [FewShot([each], ITEMS, score=simulated(1), seed=1) for each in lists]
    log = EventLog()
    with listening(log):
        await asyncio.gather(*(optimizer.astep() for optimizer in optimizers))
    assert len({optimizer.spent for optimizer in optimizers}) == 1
    assert len([event for event in log.of("attempt") if event.data["purpose"] == "evaluate"]) == 4 * 9


def test_nothing_to_draw():
    """Without any demonstration a step warns and changes nothing."""
    demos = node([], trainable=True)
    scoring = FewShot([demos], [], validation=[1, 2], score=lambda values, examples: 1.0, seed=0)
    with pytest.warns(OptoWarning, match="no demonstrations"):
        assert scoring.step() == {}


@pytest.mark.parametrize(
    ("value", "examples", "options", "error", "message"),
    [
        ("text", (), {}, TypeError, "list of demonstrations"),
        ([], (), {"size": 0}, ValueError, "size must be"),
        ([], (), {"eta": 1}, ValueError, "eta must be"),
        ([], (), {"budget": -1}, ValueError, "budget must be"),
        ([], (), {"confidence": 2}, ValueError, "confidence"),
        ([], [1, 2], {"score": len}, ValueError, "at least 4"),
        ([], {"other": [1]}, {}, ValueError, "not among the parameters"),
    ],
)
def test_bad_input(value, examples, options, error, message):
    """Errors name the argument."""
    with pytest.raises(error, match=message):
        FewShot([node(value, trainable=True)], examples, **options)


def test_a_wrong_number_of_scores():
    """One for each example, or one for all."""
    optimizer = FewShot([node([], trainable=True)], ITEMS, score=lambda values, examples: [1.0, 0.0], seed=0)
    with pytest.raises(ValueError, match="one for each example"):
        optimizer.step()
    with pytest.raises(ValueError, match="search needs score"):
        FewShot([node([], trainable=True)], ITEMS).search()


def test_a_tournament_of_one():
    """Without challengers it is over, and entrant 0 wins."""
    tournament = Tournament(1)
    assert tournament.over
    assert tournament.winner(confidence=0.9, least=1) == 0
