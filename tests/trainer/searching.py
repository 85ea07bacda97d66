"""What tests of strategies need: a run that is under way, with candidates and scores as a test wants them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opto.optimizers import Optimizer
from opto.testing.search_suite import Silent
from opto.trace import Module, bundle, node
from opto.trainer.data import Data
from opto.trainer.guides.functions import as_guide
from opto.trainer.plan import Plan
from opto.trainer.rollouts import Evaluator
from opto.trainer.run import Run
from opto.trainer.search import Search
from opto.trainer.stages import Stages

__all__ = ["Bare", "Silent", "candidate", "run_of", "search_of"]


@bundle()
def said(values, place):
    """The values, and where."""
    return values, place


class Bare(Module):
    """A program of some parameters, which says what they are."""

    def __init__(self, count: int = 1) -> None:
        self.parts = [node(0, trainable=True, name=f"part{number}") for number in range(count)]
        self.calls: list[Any] = []

    def forward(self, place: int) -> Any:
        self.calls.append(place)
        return said(self.parts, place)


class Fixed(Optimizer):
    """Proposes nothing."""

    def _propose(self, *args: Any, **kwargs: Any) -> Any:
        yield from ()
        return {}


def run_of(
    score: Callable[[tuple[Any, ...], int], float] = lambda values, place: 0.0,
    *,
    places: int = 4,
    parameters: int = 1,
    train: int | None = None,
    **plan: Any,
) -> Run:
    """A run whose program scores what `score(values, place)` says.

    Args:
        score: of the values of a candidate and the place of an example.
        places: how many validation examples there are.
        parameters: how many parameters.
        train: how many training examples there are besides; None for none but those for validation.
        plan: options of the plan.
    """
    agent = Bare(parameters)
    every = [(place, None) for place in range(places)]
    data = Data.of(every) if train is None else Data.of([(place, None) for place in range(train)], every)

    def guide(query: Any, response: Any, reference: Any) -> float:
        values, place = response
        return score(tuple(values), place)

    evaluator = Evaluator(workers=1, cache=None)
    return Run(Stages(agent, Fixed(agent.parts)), as_guide(guide), data, Plan(**plan), evaluator)


def candidate(run: Run, *values: Any, parents: Sequence[Any] = (), scores: Mapping[int, float] | None = None) -> Any:
    """A new candidate with these values and scores; accepted if it has scores."""
    originals = run.stages[0].originals
    made = run.new(dict(zip(originals, values)), parents=parents or [run.archive[0]], reason="a test")
    for place, each in (scores or {}).items():
        run.archive.score(made, run.validation, place, each)
    if scores is not None:
        run.archive.accept(made, "a test")
    return made


def search_of(agent: Module, optimizer: Optimizer, **parts: Any) -> Search:
    """A silent search."""
    return Search(agent, optimizer, 1, Silent(), **parts)
