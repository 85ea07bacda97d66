"""Means and their confidence intervals."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Estimate", "bootstrap"]

_RESAMPLES = 1000


@dataclass(frozen=True)
class Estimate:
    """A mean, and the interval that holds it with 95% confidence."""

    mean: float
    low: float
    high: float


def bootstrap(values: Sequence[float], seed: int = 0) -> Estimate:
    """The mean with the percentile interval of the bootstrap (Efron 1979): the means of samples drawn from the values.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("values must hold at least one number, got none.")
    rng = random.Random(seed)
    count = len(values)
    means = sorted(sum(rng.choices(values, k=count)) / count for _ in range(_RESAMPLES))
    edge = int(0.025 * _RESAMPLES)
    return Estimate(sum(values) / count, means[edge], means[-1 - edge])
