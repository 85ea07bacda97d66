"""Every strategy keeps the contract of its kind."""

from opto.testing import (
    AcceptanceSuite,
    ExampleSelectorSuite,
    ParentSelectorSuite,
    ProposerSuite,
    ScreeningSuite,
    StoppingSuite,
)
from opto.trainer.strategies.acceptance import Always, OnValidation
from opto.trainer.strategies.beams import Bandit, Halving, KeepBest
from opto.trainer.strategies.examples import Errors, Minibatch
from opto.trainer.strategies.on_fronts import OnFronts
from opto.trainer.strategies.parents import UCB, Best, EpsilonGreedy, Latest, ParetoParents, TopK
from opto.trainer.strategies.proposers import FirstOf, Merge, Reflection
from opto.trainer.strategies.screening import Chain, Distinct, Everything, Heuristic, LearnedScreening
from opto.trainer.strategies.stopping import Epochs, Evaluations, Patience, Steps, Target


def suites(base, makers):
    """A class of tests for each maker; the names are those of the keys."""
    for name, maker in makers.items():
        globals()[f"Test{name}"] = type(f"Test{name}", (base,), {"make": lambda self, maker=maker: maker()})


suites(
    ParentSelectorSuite,
    {
        "Best": Best,
        "Latest": Latest,
        "TopK": lambda: TopK(3),
        "EpsilonGreedy": lambda: EpsilonGreedy(0.5),
        "UCB": lambda: UCB(2),
        "ParetoParents": ParetoParents,
        "SeveralParetoParents": lambda: ParetoParents(3),
    },
)
suites(
    ExampleSelectorSuite,
    {"MinibatchExamples": Minibatch, "Errors": Errors},
)
suites(
    ProposerSuite,
    {
        "Reflection": Reflection,
        "RoundRobin": lambda: Reflection(modules="round_robin"),
        "Merge": lambda: FirstOf(Merge(most=None), Reflection()),
    },
)
suites(
    ScreeningSuite,
    {
        "Everything": Everything,
        "Distinct": Distinct,
        "Heuristic": lambda: Heuristic(lambda values: -len(str(values)), keep=1),
        "LearnedScreening": lambda: LearnedScreening(0.9, least=4),
        "Chain": lambda: Chain(Distinct(), LearnedScreening(least=4)),
    },
)
suites(
    AcceptanceSuite,
    {
        "OnValidation": OnValidation,
        "OnSomeValidation": lambda: OnValidation(4),
        "OnValidationRepeated": lambda: OnValidation(max_repeats=3),
        "KeepBest": lambda: KeepBest(2),
        "KeepBestOnSome": lambda: KeepBest(2, places=5),
        "Halving": lambda: Halving(2),
        "Bandit": Bandit,
        "OnFronts": OnFronts,
        "OnFrontsAtOnce": lambda: OnFronts(first=1.0),
        "OnFrontsOfObjectives": lambda: OnFronts(kind="both", defer=False),
    },
)
suites(
    StoppingSuite,
    {
        "Steps": lambda: Steps(3),
        "Epochs": lambda: Epochs(1),
        "Evaluations": Evaluations,
        "Target": lambda: Target(0.9),
        "Patience": lambda: Patience(2),
    },
)


class TestAlways(AcceptanceSuite):
    """Nothing is evaluated, so nothing is known to be worse at pinned examples."""

    def make(self):
        return Always()
