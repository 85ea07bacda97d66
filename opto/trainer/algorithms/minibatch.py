"""Algorithms with one candidate after the other."""

from __future__ import annotations

from opto.optimizers import Optimizer
from opto.trace.modules import Module
from opto.trainer.loggers import BaseLogger
from opto.trainer.search import Search
from opto.trainer.strategies.acceptance import Always, OnValidation, drawn_places
from opto.trainer.strategies.parents import Best, Latest

__all__ = ["BasicSearch", "Minibatch"]


class Minibatch(Search):
    """Steps of the optimizer on one minibatch after the other, each taken as it comes: stochastic descent.

    The loop of the Trace paper (arXiv 2406.16218, section 4) with a minibatch of examples in a step. Nothing is
    validated: the last candidate is the result.
    """

    def __init__(
        self, agent: Module, optimizer: Optimizer, num_threads: int | None = None, logger: BaseLogger | None = None
    ) -> None:
        super().__init__(agent, optimizer, num_threads, logger, parents=Latest(), acceptance=Always())


class BasicSearch(Search):
    """Steps of the optimizer, each kept only if it is better on the validation examples: hill climbing.

    Args:
        agent: as for `Search`.
        optimizer: as for `Search`.
        num_threads: as for `Search`.
        logger: as for `Search`.
        validation: on how many validation examples candidates are compared, drawn anew for each step; None for all.
    """

    def __init__(
        self,
        agent: Module,
        optimizer: Optimizer,
        num_threads: int | None = None,
        logger: BaseLogger | None = None,
        *,
        validation: int | None = None,
    ) -> None:
        self._validation = validation
        super().__init__(agent, optimizer, num_threads, logger, parents=Best(), acceptance=OnValidation(validation))

    def begin(self) -> None:
        """Score the initial values, on as many examples as in a step."""
        run = self._run
        run.evaluate([run.best], drawn_places(run, self._validation))
