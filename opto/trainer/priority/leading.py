"""Whether a higher mean is worth more than a longer record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from opto.trainer.candidates import ModuleCandidate

__all__ = ["leads"]

_ENOUGH = 3
"""From how many common examples on two candidates are compared on these alone."""

_ERRORS = 2
"""How many standard errors a candidate with few rollouts must be ahead: many come, and the luckiest of them is seen."""


def leads(candidate: ModuleCandidate, best: ModuleCandidate, split: str) -> bool:
    """Whether a candidate with a higher mean than the best one is to take its place.

    With half as many rollouts or more, it is. One with fewer may only have been lucky, or had the easier examples: it
    must be ahead by more than two standard errors of the lead; on the examples that both have scores of, where there
    are three or more, else over all, with the spread of the best one's scores for both. It is explored for its mean
    anyway, so it soon has the rollouts that it lacks.

    Args:
        candidate: with scores.
        best: likewise.
        split: of the data, on which they are compared.
    """
    if 2 * candidate.num_rollouts >= best.num_rollouts:
        return True
    mine, theirs = candidate.table(split), best.table(split)
    common = [place for place in mine if place in theirs]
    if len(common) >= _ENOUGH:
        differences = [mine.mean_at(place) - theirs.mean_at(place) for place in common]
        return fmean(differences) > _ERRORS * _spread(differences) / math.sqrt(len(differences))
    ours, known = ([score for place in table for score in table.numbers_at(place)] for table in (mine, theirs))
    if not ours or not known:
        return True
    return fmean(ours) - fmean(known) > _ERRORS * _spread(known) * math.sqrt(1 / len(ours) + 1 / len(known))


def _spread(values: Sequence[float]) -> float:
    """The standard deviation of what values are drawn from; 0 for one value."""
    mean = fmean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / max(1, len(values) - 1))
