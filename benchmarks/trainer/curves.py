"""Figures from runs: when the target was reached, and the mean curve with its interval."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Band", "Record", "at", "band", "kept", "paired", "reached"]

Record = Mapping[str, Any]
"""One run: `curve` holds pairs of a number of evaluations and the true score of the incumbent from then on."""

_RESAMPLES = 400


def at(curve: Sequence[tuple[int, float]], evaluations: int) -> float:
    """The true score of the incumbent after so many evaluations."""
    score = curve[0][1]
    for count, value in curve:
        if count > evaluations:
            break
        score = value
    return score


def reached(curve: Sequence[tuple[int, float]], target: float, budget: int) -> int | None:
    """After how many evaluations the incumbent's true score was the target for the first time; None if never."""
    return next((count for count, score in curve if score >= target - 1e-9 and count <= budget), None)


def kept(curve: Sequence[tuple[int, float]], target: float, budget: int) -> int | None:
    """From how many evaluations on the incumbent's true score was the target until the budget was spent; None if it
    was not in the end.
    """
    since = None
    for count, score in curve:
        if count > budget:
            break
        if score < target - 1e-9:
            since = None
        elif since is None:
            since = count
    return since


@dataclass(frozen=True)
class Band:
    """A mean curve, and below and above it the 95% interval at each place."""

    places: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]


def band(curves: Sequence[Sequence[tuple[int, float]]], places: Sequence[int], seed: int = 0) -> Band:
    """The mean over the runs at each number of evaluations, with the percentile interval of the bootstrap over runs."""
    rows = [[at(curve, place) for place in places] for curve in curves]
    count, rng = len(rows), random.Random(seed)
    drawn = [rng.choices(range(count), k=count) for _ in range(_RESAMPLES)]
    edge = int(0.025 * _RESAMPLES)
    mean, low, high = [], [], []
    for column in zip(*rows, strict=True):
        means = sorted(sum(column[run] for run in runs) / count for runs in drawn)
        mean.append(sum(column) / count)
        low.append(means[edge])
        high.append(means[-1 - edge])
    return Band([*places], mean, low, high)


def paired(mine: Sequence[Record], theirs: Sequence[Record], figure: str) -> list[float]:
    """The differences of a figure between two algorithms, run by run on the same problem, competence and seed."""

    def by_place(records: Sequence[Record]) -> dict[tuple[Any, ...], float]:
        return {(each["problem"], each["competence"], each["seed"]): float(each[figure]) for each in records}

    first, second = by_place(mine), by_place(theirs)
    return [first[place] - second[place] for place in first if place in second]
