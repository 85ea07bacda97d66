"""Candidates are left out for reasons that hold."""

import random

import pytest

from opto.testing import ScreeningSuite
from opto.testing.search_problem import SearchProblem
from opto.testing.search_suite import Silent, trained
from opto.trainer.algorithms.gepa import GEPA
from opto.trainer.algorithms.minibatch import BasicSearch
from opto.trainer.score_model import ScoreModel
from opto.trainer.strategies.screening import Chain, Distinct, Heuristic, LearnedScreening
from tests.trainer.searching import candidate, run_of

WORDS = ["apple", "brave", "cloud", "dream", "eagle", "flame", "grape", "house", "ivory", "joker"]


def text(draw, good):
    """A prompt that tells how good it is."""
    return " ".join([*draw.sample(WORDS, 4), "think step by step" if good else "answer at once"])


def test_known_values_are_not_run_again():
    """A candidate with the values of another is rejected, with the number of that one."""
    run = run_of()
    known = candidate(run, 1, scores={0: 1.0})
    same, other, twin = candidate(run, 1), candidate(run, 2), candidate(run, 2)
    assert Distinct().keep(run, [same, other, twin]) == [other]
    assert same.verdict == f"the same values as candidate {known.number}"
    assert twin.verdict == f"the same values as candidate {other.number}"


def test_a_heuristic_leaves_out_what_it_thinks_little_of():
    """A function of the values decides, by a bound or by rank."""
    run = run_of()
    made = [candidate(run, number) for number in (5, 1, 9)]
    score = lambda values: next(iter(values.values()))  # noqa: E731
    assert Chain(Heuristic(score, at_least=4), Heuristic(score, keep=1)).keep(run, made) == [made[2]]
    assert made[1].verdict == "the heuristic gives it 1"


def learned(good_score, bad_score, noise=0.0, count=30, seed=0):
    """A run with evaluated candidates, whose texts tell how good they are."""
    run, draw = run_of(places=4), random.Random(seed)
    for number in range(count):
        good = number % 2 == 0
        score = (good_score if good else bad_score) + draw.gauss(0, noise)
        candidate(run, text(draw, good), scores=dict.fromkeys(range(4), score))
    return run, draw


def test_learned_screening_leaves_out_what_will_score_low():
    """With texts that tell how good they are, most bad candidates are left out, and no good one."""
    run, draw = learned(0.9, 0.2, noise=0.05)
    made = [candidate(run, text(draw, number % 2 == 0)) for number in range(20)]
    kept = LearnedScreening().keep(run, made)
    assert kept == made[::2]
    assert "predicted to score" in made[1].verdict


def test_learned_screening_is_off_where_it_knows_no_better_than_chance():
    """Where scores have nothing to do with the texts, everything is kept."""
    active = 0
    for seed in range(40):
        run, draw = learned(0.5, 0.5, noise=0.3, seed=seed)
        made = [candidate(run, text(draw, number % 2 == 0)) for number in range(10)]
        model = LearnedScreening().model(run)
        active += model.skilled
        assert model.skilled or LearnedScreening().keep(run, made) == made
    assert active <= 4, "one in twenty models of noise passes for skilled, not more"


def test_learned_screening_waits_for_enough_to_learn_from():
    """Too few candidates are nothing to learn from."""
    run, draw = learned(0.9, 0.2, count=9)
    made = [candidate(run, text(draw, False))]
    assert LearnedScreening().keep(run, made) == made
    assert LearnedScreening(least=11).model(run) is None, "candidates that were run nowhere teach nothing"


def test_learned_screening_keeps_one_at_least():
    """Where all are predicted to be bad, the least bad one is run."""
    run, draw = learned(0.9, 0.2)
    assert len(LearnedScreening(1.0).keep(run, [candidate(run, text(draw, False)) for _ in range(5)])) == 1


@pytest.mark.parametrize("kind", [BasicSearch, GEPA])
def test_learned_screening_saves_evaluations_in_a_search(kind):
    """In a real search with several proposals in a step it rejects candidates, and the target costs less."""
    spent = []
    for screening in (Distinct(), LearnedScreening()):
        spent.append(0)
        for seed in range(4):
            problem = SearchProblem(seed=seed, skills=5, train=30, validate=60, clumsiness=0.7)
            search = kind(problem.agent, problem.optimizer, 1, Silent(), screening=screening)
            options = {"target_score": 0.95, "max_evaluations": 3000, "num_proposals": 4, "score_range": (0, 1)}
            outcome = trained(search, problem, **options)
            assert outcome.score >= 0.95
            spent[-1] += outcome.evaluations
    assert any(each.verdict.startswith("predicted to score") for each in outcome.archive)
    assert spent[1] < spent[0]


def test_error_is_that_of_predictions_of_what_was_left_out():
    """The error in closed form is the one of models that were fitted without the score in question."""
    draw = random.Random(1)
    rows = [{"prompt": text(draw, number % 3 == 0)} for number in range(12)]
    scores = [float(number % 3 == 0) + draw.gauss(0, 0.1) for number in range(12)]
    model = ScoreModel(rows, scores)
    errors = []
    for left_out in range(12):
        rest = [place for place in range(12) if place != left_out]
        found = ScoreModel([rows[place] for place in rest], [scores[place] for place in rest])
        errors.append((found.predict([rows[left_out]])[0] - scores[left_out]) ** 2)
    assert model.error == pytest.approx((sum(errors) / 12) ** 0.5, rel=0.15)
    assert model.skilled


class Counting:
    """Keeps every second candidate of a run: a screening with a state."""

    count = 0

    def keep(self, run, candidates):
        kept = []
        for each in candidates:
            self.count += 1
            if self.count % 2:
                kept.append(each)
            else:
                run.archive.reject(each, "one of two")
        return kept

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


class TestCounting(ScreeningSuite):
    """A screening's state is kept with the run, also where it is one of a chain."""

    def make(self):
        return Chain(Distinct(), Counting())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: LearnedScreening(2), "threshold must be a part"),
        (lambda: LearnedScreening(least=1), "least must be >= 4"),
        (lambda: Heuristic(len, keep=0), "keep must be an int >= 1"),
    ],
)
def test_refuses_odd_options(make, said):
    """Options out of range are named."""
    with pytest.raises(ValueError, match=said):
        make()
