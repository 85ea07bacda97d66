"""Demonstrations are found in the program's own good runs, and judged on other examples."""

import pytest

from opto.optimizers.few_shot import FewShot
from opto.testing import SearchSuite
from opto.testing.search_problem import Apprentice
from opto.testing.search_suite import Silent, trained
from opto.trainer.algorithms.beam import Beam
from opto.trainer.algorithms.few_shot import FewShotSearch
from opto.trainer.algorithms.gepa import GEPA
from opto.trainer.algorithms.minibatch import BasicSearch
from tests.trainer.words import Words


class TestContract(SearchSuite):
    def make(self, problem):
        return FewShotSearch(problem.agent, problem.optimizer)

    def make_problem(self, *, copyable=True):
        return Words(copyable=copyable)


@pytest.mark.parametrize("seed", range(5))
def test_finds_demonstrations_that_help(seed):
    """Rollouts that went well become demonstrations, and the best set is clearly above none."""
    problem = Words(seed=seed)
    outcome = trained(FewShotSearch(problem.agent, problem.optimizer, 1, Silent()), problem, num_steps=8, seed=seed)
    assert outcome.score >= outcome.start + 0.15
    assert len({demo["word"][0] for demo in problem.agent.texts[0].data}) >= 3


@pytest.mark.parametrize("algorithm", [BasicSearch, Beam, GEPA])
def test_other_algorithms_take_a_few_shot_optimizer(algorithm):
    """With validation examples, sets of demonstrations are candidates of any algorithm."""
    problem = Words()
    outcome = trained(algorithm(problem.agent, problem.optimizer, 1, Silent()), problem, num_steps=15, num_proposals=2)
    assert outcome.score > outcome.start + 0.2


def test_sets_half_of_the_examples_aside():
    """Without validation examples half of the training examples are set aside, and never demonstrated."""
    problem = Words()
    search = FewShotSearch(problem.agent, problem.optimizer, 1, Silent())
    search.train(problem.guide, problem.train_dataset, num_steps=5)
    judged_on = {word for word, _ in search.run.data.validate}
    assert len(judged_on) == 12
    harvested = {demo["word"] for pool in problem.optimizer.pool.values() for demo in pool}
    assert harvested
    assert not harvested & judged_on


def test_sets_aside_the_same_half_when_it_goes_on(tmp_path):
    """A run that is gone on with has the same examples in both halves."""
    words = {}
    for resume in (False, True):
        problem = Words()
        search = FewShotSearch(problem.agent, problem.optimizer, 1, Silent())
        search.train(problem.guide, problem.train_dataset, num_steps=2 + resume, run_dir=tmp_path, resume=resume)
        words[resume] = list(search.run.data.validate)
    assert words[False] == words[True]


def test_refuses_what_cannot_harvest():
    """It takes a FewShot without a score function of its own."""
    problem = Words()
    with pytest.raises(TypeError, match="optimizer must be a FewShot"):
        FewShotSearch(problem.agent, Apprentice(problem.agent.texts))
    scored = FewShot(problem.agent.texts, [{"word": each} for each in "abcd"], score=lambda values, items: 0.0)
    with pytest.raises(ValueError, match="without score="):
        FewShotSearch(problem.agent, scored)
