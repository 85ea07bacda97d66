"""Parents are picked as their papers say."""

import random
from collections import Counter

import pytest

from opto.trainer.strategies.parents import UCB, EpsilonGreedy, ParetoParents, TopK
from tests.trainer.searching import candidate, run_of


def frequencies(run, selector, count=300):
    """How often which candidate is picked."""
    found = Counter()
    for step in range(count):
        run.random = random.Random(step)
        found.update(each.number for each in selector.pick(run))
    return found


def test_pareto_parents_are_drawn_by_how_much_they_are_best_at():
    """A candidate that holds three fronts is picked three times as often as one with one; dominated ones never."""
    run = run_of(places=4)
    candidate(run, 1, scores={0: 1, 1: 1, 2: 1, 3: 0})
    candidate(run, 2, scores={0: 0, 1: 0, 2: 0, 3: 1})
    candidate(run, 3, scores={0: 1, 1: 0, 2: 0, 3: 0})
    found = frequencies(run, ParetoParents())
    assert set(found) == {1, 2}
    assert 2 < found[1] / found[2] < 4.5
    assert frequencies(run, ParetoParents(2)) == {1: 300, 2: 300}


def test_pareto_parents_without_scores():
    """Where nothing was evaluated, the best candidate is the parent."""
    run = run_of()
    assert ParetoParents().pick(run) == [run.best]


def test_top_k():
    """The highest means first, of equal ones the older; those without a score last."""
    run = run_of()
    for number, score in enumerate([0.2, 0.9, 0.5, 0.9], 1):
        candidate(run, number, scores={0: score})
    assert [each.number for each in TopK(3).pick(run)] == [2, 4, 3]
    assert [each.number for each in TopK(9).pick(run)][-1] == 0


def test_ucb_explores_what_is_little_known():
    """A candidate with few scores is tried although its mean is lower; without exploration the mean decides."""
    run = run_of(places=100, score_range=(0, 1))
    candidate(run, 1, scores=dict.fromkeys(range(60), 0.7))
    candidate(run, 2, scores=dict.fromkeys(range(3), 0.6))
    run.archive.score(run.archive[0], "train", 0, 0.0)
    assert UCB().pick(run)[0].number == 0, "of one score nothing is known yet"
    assert [each.number for each in UCB(3, exploration=0.3).pick(run)] == [2, 1, 0]
    assert UCB(exploration=0.0).pick(run)[0].number == 1


def test_epsilon_greedy():
    """The best one, but for a part epsilon of the picks."""
    run = run_of()
    for number in range(1, 5):
        candidate(run, number, scores={0: number})
    run.replace_best(run.archive[4])
    found = frequencies(run, EpsilonGreedy(0.5))
    assert 150 < found[4] < 220
    assert set(found) == {0, 1, 2, 3, 4}
    assert frequencies(run, EpsilonGreedy(0.0)) == {4: 300}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: TopK(0), "k must be >= 1"),
        (lambda: UCB(exploration=-1), "exploration must be a number >= 0"),
        (lambda: EpsilonGreedy(2), "epsilon must be a probability"),
        (lambda: ParetoParents(kind="no"), "kind must be one of"),
    ],
)
def test_refuses_odd_options(make, said):
    """Options out of range are named."""
    with pytest.raises(ValueError, match=said):
        make()
