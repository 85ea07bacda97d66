"""A candidate takes the place of the best on evidence, and never where something pinned gets worse."""

import pytest

from opto.trainer.strategies.acceptance import OnValidation, challenge
from opto.trainer.strategies.verdicts import regressed
from tests.trainer.searching import candidate, run_of


def test_the_better_one_is_accepted():
    """The higher mean wins; the verdict holds the numbers."""
    run = run_of(lambda values, place: values[0])
    good, bad = candidate(run, 1), candidate(run, -1)
    OnValidation().judge(run, [bad, good])
    assert run.best is good
    assert (good.status, good.verdict) == ("accepted", "1 against 0 on 4 examples")
    assert (bad.status, bad.verdict) == ("rejected", "-1 against 1 on 4 examples")


def test_confidence_asks_for_more_than_a_higher_mean():
    """With few examples, a small gain is not enough at a high confidence."""

    def score(values, place):
        return float(place < 2 + values[0])

    for confidence, wins in ((0.5, True), (0.95, False)):
        run = run_of(score, places=8, confidence=confidence, score_range=(0, 1))
        made = candidate(run, 1)
        OnValidation().judge(run, [made])
        assert (run.best is made) is wins
    run = run_of(score, places=40, confidence=0.95, score_range=(0, 1))
    made = candidate(run, 30)
    OnValidation().judge(run, [made])
    assert run.best is made
    assert made.verdict.startswith("0.8 against 0.05 on 40 examples: +0.75")


def test_pinned_examples_must_not_get_worse():
    """A candidate that is better on the whole and worse at a pinned example is rejected, with the example."""
    run = run_of(lambda values, place: values[0] * (place != 2) - values[0] * (place == 2), pinned=(1, 2))
    made = candidate(run, 1)
    OnValidation(3).judge(run, [made])
    assert made.status == "rejected"
    assert made.verdict == "worse than the initial values at pinned example 2"
    assert run.best is run.archive[0]


def test_chance_has_several_goes():
    """Six wins are evidence enough for one candidate, looked at once, and not for one of two, or with a second look."""
    for repeats, others, wins in ((1, 0, True), (1, 1, False), (2, 0, False)):
        run = run_of(lambda values, place: values[0], places=6, confidence=0.95, score_range=(0, 1))
        made = candidate(run, 1)
        OnValidation(max_repeats=repeats).judge(run, [made] + [candidate(run, 0) for _ in range(others)])
        assert (run.best is made) is wins


def test_noise_at_a_pinned_example():
    """Of scores that were repeated and vary, the mean may be lower by what noise explains at the plan's confidence."""
    for confidence, lost in ((0.5, [0]), (0.95, [])):
        run = run_of(pinned=(0,), confidence=confidence)
        made = candidate(run)
        for each, scores in ((run.archive[0], (1, 1, 0, 1)), (made, (1, 0, 0, 1))):
            for score in scores:
                run.archive.score(each, run.validation, 0, score)
        assert regressed(run, made) == lost


def test_pinned_places_must_exist():
    """A pinned place beyond the validation examples is an error that names it."""
    run = run_of(lambda values, place: values[0], pinned=(9,))
    with pytest.raises(ValueError, match=r"pinned must be places of the 4 validation examples, got 9"):
        OnValidation().judge(run, [candidate(run, 1)])


def test_noisy_scores_are_repeated_while_undecided():
    """A tie is broken by further scores of both, up to the limit; scores that are not noisy are not bought again."""
    counts = {}

    def score(values, place):
        counts[values] = counts.get(values, 0) + 1
        return 0.5 + 0.5 * (counts[values] > 8 and values[0] == 1 and place == 0) + 0.1 * (counts[values] % 3 - 1)

    run = run_of(score, places=4)
    made = candidate(run, 1)
    OnValidation(max_repeats=5).judge(run, [made])
    assert run.best is made
    assert made.table("train").repeats > 4
    run = run_of(lambda values, place: 0.5, places=4)
    made = candidate(run, 1)
    OnValidation(max_repeats=5).judge(run, [made])
    assert made.status == "rejected"
    assert made.table("train").repeats == 8


def test_challenge_tells_who_won():
    """`challenge` is for acceptances of your own."""
    run = run_of(lambda values, place: values[0])
    made = candidate(run, 1)
    run.evaluate([run.best, made], [0, 1])
    assert challenge(run, made, [0, 1]) is True
    worse = candidate(run, 0.5)
    run.evaluate([worse], [0, 1])
    assert challenge(run, worse, [0, 1]) is False
    assert run.best is made
