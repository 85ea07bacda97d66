"""The contract tests of searches and strategies find faults."""

import random

import pytest

from opto.testing import (
    AcceptanceSuite,
    ExampleSelectorSuite,
    ParentSelectorSuite,
    ProposerSuite,
    ScreeningSuite,
    SearchSuite,
    StoppingSuite,
)
from opto.trainer.search import Search
from opto.trainer.strategies.proposers import Reflection


class DrawsByItself:
    """Picks parents by a generator that is not the run's."""

    def pick(self, run):
        return [random.choice(run.archive.accepted)]


class RejectedParents:
    """Picks what was rejected."""

    def pick(self, run):
        return [each for each in run.archive if each.status == "rejected"][:1] or [run.best]


class OutOfRange:
    """Picks an example that is not there."""

    def pick(self, run):
        return [len(run.data.train)] if run.counts.steps == 3 else [0]


class Nameless(Reflection):
    """Proposes without a reason."""

    def propose(self, run, parents, places):
        made = super().propose(run, parents, places)
        for each in made:
            each.reason = ""
        return made


class Forgets:
    """Drops candidates without a word."""

    def keep(self, run, candidates):
        return candidates[1:]


class Undecided:
    """Judges only the first."""

    def judge(self, run, candidates):
        run.archive.accept(candidates[0], "the first")


class Careless:
    """Takes whatever comes for the best, also where the plan forbids it."""

    def judge(self, run, candidates):
        run.evaluate([run.archive[0], *candidates])
        for each in candidates:
            run.archive.accept(each, "why not")
            run.replace_best(each)


class Forgetful:
    """Picks parents by how often it was asked, and does not say so when it is saved."""

    calls = 0

    def pick(self, run):
        self.calls += 1
        return [run.archive.accepted[self.calls % len(run.archive.accepted)]]


class SaysYes:
    """Ends a run without a reason."""

    def reached(self, run):
        return True if run.counts.steps == 2 else None


def suite(base, maker):
    """An object with the tests."""
    return type("Suite", (base,), {"make": lambda self, *args: maker(*args)})()


@pytest.mark.parametrize(
    ("base", "faulty", "test", "needs"),
    [
        (ParentSelectorSuite, DrawsByItself, "test_same_seed_same_run", None),
        (ParentSelectorSuite, RejectedParents, "test_picks_accepted_candidates", None),
        (ParentSelectorSuite, Forgetful, "test_goes_on_where_it_was", "folder"),
        (ExampleSelectorSuite, OutOfRange, "test_picks_places_of_training_examples", None),
        (ProposerSuite, Nameless, "test_proposes_new_candidates", None),
        (ScreeningSuite, Forgets, "test_rejects_what_it_does_not_keep", None),
        (AcceptanceSuite, Undecided, "test_judges_every_candidate", None),
        (AcceptanceSuite, Careless, "test_pinned_examples_do_not_get_worse", None),
        (StoppingSuite, SaysYes, "test_says_why_or_nothing", None),
    ],
)
def test_faults_of_strategies_are_found(base, faulty, test, needs, tmp_path):
    """Each fault fails the test that is about it."""
    arguments = [tmp_path] if needs else []
    with pytest.raises((AssertionError, IndexError)):
        getattr(suite(base, faulty), test)(*arguments)


class Impatient(Search):
    """Runs the program behind the engine's back."""

    def step(self):
        super().step()
        self.agent(self.run.data.train[0][0])


def test_faults_of_searches_are_found():
    """A search that runs the program more often than it counts is found out."""
    tests = suite(SearchSuite, lambda problem: Impatient(problem.agent, problem.optimizer))
    with pytest.raises(AssertionError):
        tests.test_budget_is_never_passed(30)
