"""Beams keep the best, races halve, bandits look where it may pay."""

import pytest

from opto.trainer.strategies.beams import Bandit, Halving, KeepBest
from tests.trainer.searching import candidate, run_of


def test_keep_best_keeps_so_many():
    """Those among the best `k` are accepted, and the best of all is the best."""
    run = run_of(lambda values, place: values[0])
    made = [candidate(run, value) for value in (3, 1, -1, 2)]
    KeepBest(2).judge(run, made)
    assert [each.status for each in made] == ["accepted", "rejected", "rejected", "accepted"]
    assert run.best is made[0]
    assert made[1].verdict == "rank 3 of 5 with 1 on 4 examples"


def test_halving_spends_most_on_the_best():
    """Of eight, all see a few examples and one sees all."""
    run = run_of(lambda values, place: values[0], places=32)
    made = [candidate(run, value) for value in range(1, 9)]
    Halving(4).judge(run, made)
    assert run.best is made[-1]
    assert sorted(len(each.table("train")) for each in made) == [4, 4, 4, 4, 8, 8, 16, 32]
    assert run.counts.evaluations == 80 + 32


def test_bandit_spends_where_the_bound_is_highest():
    """The better a candidate, the more examples it is scored on; the best is the one that is surely good."""
    run = run_of(lambda values, place: values[0] / 10, places=60, score_range=(0, 1))
    made = [candidate(run, value) for value in (1, 5, 9)]
    bandit = Bandit(rounds=30, exploration=0.5)
    bandit.judge(run, made)
    seen = [len(each.table("train")) for each in made]
    assert seen[2] > seen[1] >= seen[0] == 4
    assert run.best is made[2]
    assert run.counts.evaluations < 4 * 60


def test_bandit_rejects_what_cannot_be_the_best():
    """A candidate whose upper bound is below the best one's lower bound is not accepted."""
    run = run_of(lambda values, place: float(values[0] >= 0), places=30, score_range=(0, 1))
    run.evaluate([run.best])
    made = candidate(run, -1)
    Bandit(first=20, exploration=0.3).judge(run, [made])
    assert made.status == "rejected"
    assert "the best has at least" in made.verdict


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: KeepBest(0), "k must be >= 1"),
        (lambda: Halving(eta=1), "eta must be >= 2"),
        (lambda: Bandit(exploration=-1), "exploration must be a number >= 0"),
    ],
)
def test_refuses_odd_options(make, said):
    """Options out of range are named."""
    with pytest.raises(ValueError, match=said):
        make()
