"""GEPA as a whole."""

import itertools
import random

import pytest

import opto
from opto.testing.search_problem import SearchProblem
from opto.testing.search_suite import Silent, trained
from opto.trainer.algorithms.beam import Beam, UCBSearch
from opto.trainer.algorithms.gepa import GEPA
from opto.trainer.guide import Guide
from opto.trainer.objectives import ObjectiveConfig
from opto.trainer.plan import Plan


@pytest.mark.parametrize("validate", [None, 24])
@pytest.mark.parametrize("seed", range(4))
def test_solves_a_problem_within_a_few_hundred_evaluations(seed, validate):
    """The skills that are missing are found, with validation on the training examples and apart."""
    problem = SearchProblem(seed=seed, train=24, validate=validate)
    search = GEPA(problem.agent, problem.optimizer, 1, Silent())
    outcome = trained(search, problem, target_score=1.0, max_evaluations=1000, score_range=(0, 1), seed=seed)
    assert outcome.score == 1.0
    assert outcome.evaluations < 600


def test_no_values_are_paid_for_twice():
    """Each program is run on an example at most once for its score; further runs are for feedback."""
    problem = SearchProblem(seed=1, train=12, validate=12, competence=1.0, clumsiness=0.0)
    search = GEPA(problem.agent, problem.optimizer, 1, Silent())
    outcome = trained(search, problem, num_steps=40, score_range=(0, 1))
    scored = [
        (each.key, place)
        for each in outcome.archive
        for place, scores in each.table("validate").items()
        for _ in scores
    ]
    assert len(scored) == len(set(scored))
    assert any(each.verdict.startswith("the same values as") for each in outcome.archive)


def test_ends_with_the_leader_settled():
    """What was put off is paid for at the end, so that the best candidate has all its scores."""
    problem = SearchProblem(seed=2, train=24, validate=40)
    search = GEPA(problem.agent, problem.optimizer, 1, Silent())
    outcome = trained(search, problem, num_steps=9, score_range=(0, 1))
    assert len(outcome.best.table("validate")) == 40
    assert outcome.score > outcome.start
    leader = outcome.archive.fronts("validate").leader()
    assert outcome.archive.fronts("validate").estimate(leader) <= outcome.score


@pytest.mark.parametrize("budget", [123, 129, 132, 150])
def test_evaluations_may_run_out_while_the_leader_is_settled(budget):
    """Also where it takes repeated scores to settle it: the run ends with what it has."""
    problem, draw = SearchProblem(seed=budget, validate=None), random.Random(budget)

    def noisy(query, response, reference=None):
        score, feedback = problem.guide(query, response)
        return 0.9 * score + 0.1 * draw.random(), feedback

    search = GEPA(problem.agent, problem.optimizer, 1, Silent(), max_repeats=2)
    outcome = search.train(noisy, problem.train_dataset, max_evaluations=budget, confidence=0.9, score_range=(0, 1))
    assert outcome.stopped == "all evaluations are used up"


def test_fronts_over_objectives():
    """Scores that are dicts have fronts over objectives, too."""
    problem = SearchProblem(seed=2)

    class Vector(Guide):
        def get_feedback(self, query, response, reference=None, **kwargs):
            return problem.guide(query, response)

        def get_score_dict(self, query, response, reference=None, **kwargs):
            score = problem.guide(query, response)[0]
            return {"right": score, "brief": -float(len(response))}

    config = ObjectiveConfig(mode="weighted", scalarize_dict="weighted", weights={"right": 1.0, "brief": 0.01})
    for kind in ("objectives", "both", "pairs", "examples"):
        problem = SearchProblem(seed=2)
        search = GEPA(problem.agent, problem.optimizer, 1, Silent(), kind=kind)
        outcome = search.train(
            Vector(),
            problem.train_dataset,
            validate_dataset=problem.validate_dataset,
            num_steps=12,
            objective_config=config,
        )
        assert outcome.score > outcome.start


@pytest.mark.parametrize("seed", range(4))
def test_ucb_search_ends_with_the_best_one(seed):
    """Also where no step brings a candidate any more, scores are bought until it is known which is best."""
    problem = SearchProblem(seed=seed, train=24, validate=None)
    search = UCBSearch(problem.agent, problem.optimizer, 1, Silent())
    outcome = trained(search, problem, target_score=1.0, max_evaluations=1500, score_range=(0, 1), seed=seed)
    assert outcome.score == 1.0


def test_refuses_odd_options():
    """Options out of range are named."""
    problem = SearchProblem()
    with pytest.raises(ValueError, match="examples must be"):
        GEPA(problem.agent, problem.optimizer, examples="none")


@pytest.mark.parametrize("make", [GEPA, UCBSearch, Beam])
@pytest.mark.parametrize("proposals", [1, 3])
def test_no_step_takes_more_than_its_workload_says(make, proposals):
    """The most that a step may take, which estimates stand on, is the most that it takes."""
    problem = SearchProblem(seed=1, train=20, validate=20)
    search = make(problem.agent, problem.optimizer, 1, Silent())
    after: list[int] = []

    class Note:
        def reached(self, run):
            after.append(run.counts.evaluations)

    search.stopping.append(Note())
    trained(search, problem, num_steps=12, num_proposals=proposals, score_range=(0, 1))
    work = search.workload(Plan(num_proposals=proposals), 20)
    assert after[0] == work.before
    assert max(later - before for before, later in itertools.pairwise(after)) <= work.evaluations[1]


def test_its_options_are_taken_by_the_one_liner():
    """Options of the acceptance go to the algorithm that `opto.train` makes; the plan's go to its `train`."""
    problem = SearchProblem(seed=1)
    outcome = opto.train(
        model=problem.agent,
        optimizer=problem.optimizer,
        train_dataset=problem.train_dataset,
        guide=problem.guide,
        algorithm="GEPA",
        logger=Silent(),
        defer=False,
        patience=2,
        num_steps=1,
    )
    assert len(outcome.archive) == 3, "the initial values, and two proposals"
