"""Means and their confidence intervals, and tables of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from opto.trainer.evidence.intervals import wilson

__all__ = ["Estimate", "bootstrap", "crossed_bootstrap", "table", "wilson"]

_RESAMPLES = 1000


@dataclass(frozen=True)
class Estimate:
    """A mean, and the interval that holds it with 95% confidence."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{_number(self.mean)} ({_number(self.low)} to {_number(self.high)})"


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 2 else f"{value:.3f}"


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown: names in the first column, figures in the others."""
    lines = [heading, ["---", *["---:"] * (len(heading) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


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


def crossed_bootstrap(rows: Sequence[Sequence[float]], seed: int = 0) -> Estimate:
    """The mean of a table, with the percentile interval when both its rows and its columns are drawn anew.

    For runs (rows) that were all scored on the same items (columns): it holds for other runs on other items, where
    `bootstrap` of the rows' means holds for other runs on the same ones (Owen, "The pigeonhole bootstrap", 2007).

    Raises:
        ValueError: there are no values.
    """
    if not rows or not rows[0]:
        raise ValueError("rows must hold at least one number, got none.")
    rng = random.Random(seed)
    count, width = len(rows), len(rows[0])
    means = []
    for _ in range(_RESAMPLES):
        columns = rng.choices(range(width), k=width)
        means.append(sum(sum(row[at] for at in columns) for row in rng.choices(rows, k=count)) / (count * width))
    means.sort()
    edge = int(0.025 * _RESAMPLES)
    return Estimate(sum(map(sum, rows)) / (count * width), means[edge], means[-1 - edge])
