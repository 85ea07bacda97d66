"""Algorithms with one candidate after the other."""

from __future__ import annotations

from typing import Any

from opto.trainer.search import Search
from opto.trainer.strategies.acceptance import Always, OnValidation
from opto.trainer.strategies.parents import Latest

__all__ = ["BasicSearch", "Minibatch"]


class Minibatch(Search):
    """Steps of the optimizer on one minibatch after the other, each taken as it comes: stochastic descent.

    The loop of the Trace paper (arXiv 2406.16218, section 4) with a minibatch of examples in a step. Nothing is
    validated: the last candidate is the result.
    """

    def __init__(self, *args: Any, **parts: Any) -> None:
        super().__init__(*args, parents=Latest(), acceptance=Always(), **parts)


class BasicSearch(Search):
    """Steps of the optimizer, each kept only if it is better on the validation examples: hill climbing.

    Args:
        *args: as for `Search`.
        validation: on how many validation examples candidates are compared, drawn anew for each step; None for all.
        **parts: as for `Search`.
    """

    def __init__(self, *args: Any, validation: int | None = None, **parts: Any) -> None:
        super().__init__(*args, acceptance=OnValidation(validation), **parts)
