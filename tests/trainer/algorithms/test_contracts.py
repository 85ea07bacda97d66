"""Every algorithm made of strategies keeps the contract of searches."""

from opto.testing import SearchSuite
from opto.trainer.algorithms.beam import Beam, UCBSearch
from opto.trainer.algorithms.gepa import GEPA
from opto.trainer.algorithms.minibatch import BasicSearch, Minibatch


class TestMinibatch(SearchSuite):
    def make(self, problem):
        return Minibatch(problem.agent, problem.optimizer)


class TestBasicSearch(SearchSuite):
    def make(self, problem):
        return BasicSearch(problem.agent, problem.optimizer)


class TestBasicSearchOnSomeExamples(SearchSuite):
    def make(self, problem):
        return BasicSearch(problem.agent, problem.optimizer, validation=5)


class TestGEPA(SearchSuite):
    plan = {"num_steps": 12, "score_range": (0, 1), "num_proposals": 2}

    def make(self, problem):
        return GEPA(problem.agent, problem.optimizer)


class TestGEPAAsInThePaper(SearchSuite):
    plan = {"num_steps": 12, "score_range": (0, 1)}

    def make(self, problem):
        return GEPA(problem.agent, problem.optimizer, examples="epochs", first=1.0, modules="round_robin")


class TestBeam(SearchSuite):
    def make(self, problem):
        return Beam(problem.agent, problem.optimizer, width=2)


class TestUCBSearch(SearchSuite):
    def make(self, problem):
        return UCBSearch(problem.agent, problem.optimizer)
