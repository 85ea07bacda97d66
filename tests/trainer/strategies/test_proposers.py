"""How candidates are merged, mixed, and changed one parameter at a time."""

from opto.testing import Scripted
from opto.testing.search_problem import Apprentice, SearchProblem
from opto.testing.search_suite import Silent, trained
from opto.trainer.algorithms.minibatch import BasicSearch
from opto.trainer.search import Search
from opto.trainer.strategies.proposers import FirstOf, Merge, Reflection, merged
from tests.trainer.searching import candidate, run_of


def values(each):
    """The values of a candidate, in order."""
    return [each.update_dict[parameter] for parameter in each.update_dict]


def test_merge_takes_each_parameter_from_the_one_that_changed_it():
    """The value of the one that changed it since their common ancestor is taken; where both did, the better's."""
    run = run_of(parameters=4)
    base = candidate(run, 1, 1, 1, 1, scores={0: 0.0})
    left = candidate(run, 2, 1, 1, 2, parents=[base])
    right = candidate(run, 1, 3, 1, 3, parents=[candidate(run, 1, 3, 1, 1, parents=[base])])
    taken = merged(left, right)
    assert {each.py_name: value for each, value in taken.items()} == {run.stages[0].originals[1].py_name: 3}
    assert merged(base, left) == {}, "a candidate and its descendant have nothing to merge"
    assert merged(left, candidate(run, 1, 1, 1, 1, parents=[base])) == {}, "the other changed nothing"
    assert merged(candidate(run, 1, 1, 1, 1, parents=[base]), right) == {}, "the better one changed nothing"


def test_merge_proposes_what_complementary_candidates_learned():
    """Two holders of different fronts are merged once, in a step after one was accepted, and only so often."""
    run = run_of(parameters=2, places=2)
    run.archive.score(run.archive[0], "train", 0, 0.0)
    left = candidate(run, 5, 0, scores={0: 1.0, 1: 0.0})
    right = candidate(run, 0, 6, scores={0: 0.0, 1: 0.9})
    run.counts.steps = right.step
    (made,) = Merge().propose(run, [], [])
    assert values(made) == [5, 6]
    assert made.parents == (left, right), "the better one first"
    assert Merge().propose(run, [], []) == [], "these values are known"
    assert Merge(most=1).propose(run, [], []) == []
    run.counts.steps += 1
    assert Merge().propose(run, [], []) == [], "nothing was accepted since"


def test_round_robin_changes_one_parameter_after_the_other():
    """Each step may change one parameter, and the next step the next one."""
    problem = SearchProblem(seed=1, kinds=3)
    search = Search(problem.agent, problem.optimizer, 1, Silent(), proposer=Reflection(modules="round_robin"))
    outcome = trained(search, problem, num_steps=9)
    originals = list(outcome.archive[0].update_dict)
    for each in list(outcome.archive)[1:]:
        changed = [p for p in originals if each.update_dict[p] != each.parents[0].update_dict[p]]
        assert changed in ([], [originals[(each.step - 1) % 3]])
    assert len({tuple(values(each)) for each in outcome.archive}) > 3


def test_the_first_that_has_something_proposes():
    """FirstOf asks one proposer after the other, until one has something."""

    class Says:
        def __init__(self, word):
            self.word = word

        def propose(self, run, parents, places):
            return [self.word] if self.word else []

    run = run_of()
    assert FirstOf(Says(""), Says("b")).propose(run, [], []) == ["b"]


def test_perfect_parents_are_left_as_they_are():
    """Where the highest score is known, a parent that has it on all of the minibatch is not changed."""
    problem = SearchProblem(seed=1, train=2, validate=None, skills=1, kinds=1)
    model = Scripted(['{"a": "a0"}'])
    search = BasicSearch(problem.agent, Apprentice(problem.agent.texts, model), 1, Silent())
    outcome = trained(search, problem, num_steps=4, score_range=(0, 1))
    assert outcome.score == 1.0
    assert len(model.requests) == 1
