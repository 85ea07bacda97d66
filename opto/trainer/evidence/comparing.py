"""Evidence: whether one candidate is better than another, and how good a candidate is.

`compare` is for two candidates on the same examples, `interval` for one, `gap` for two sets of examples, and
`regressions` for examples that must not get worse. Everything is a plain function of scores.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

from opto.trainer.evidence.intervals import (
    Gap,
    Interval,
    checked_confidence,
    gap,
    interval,
    percent,
    range_of,
    t_quantile,
    wilson,
)
from opto.trainer.evidence.sign_flips import sign_flip_p_value

__all__ = ["Comparison", "Gap", "Interval", "compare", "gap", "interval", "regressions", "wilson"]

_Place = TypeVar("_Place", bound=Hashable)


@dataclass(frozen=True)
class Comparison:
    """How a new candidate does beside an old one on the same examples.

    Attributes:
        difference: the mean of new less old; 0.0 if they have no example in common.
        low: where its interval begins.
        high: where it ends.
        pairs: how many examples both were scored on.
        p_value: how likely a difference as large, in either direction, would be between candidates that are equally
            good; times the number of rivals.
        confidence: of the interval and the verdict.
    """

    difference: float
    low: float
    high: float
    pairs: int
    p_value: float
    confidence: float

    @property
    def better(self) -> bool:
        """Whether the interval lies above zero."""
        return self.low > 0

    @property
    def worse(self) -> bool:
        """Whether the interval lies below zero."""
        return self.high < 0

    @property
    def undecided(self) -> bool:
        """Whether the interval holds zero."""
        return not (self.better or self.worse)

    def __str__(self) -> str:
        if not self.pairs:
            return "no example in common"
        examples = "1 example" if self.pairs == 1 else f"{self.pairs:,} examples"
        within = f"{percent(self.confidence)}: {self.low:+.2f} to {self.high:+.2f}"
        return f"{self.difference:+.2f} on {examples} ({within})"


def compare(
    old: Mapping[_Place, Sequence[float]],
    new: Mapping[_Place, Sequence[float]],
    *,
    confidence: float = 0.95,
    rivals: int = 1,
    score_range: tuple[float, float] | None = None,
    seed: int = 0,
) -> Comparison:
    """Whether `new` is better than `old`, by the examples that both have scores of.

    The scores of one example are averaged, so that repeats make its difference less noisy and do not pass for further
    examples. A verdict needs two things. The differences must be too one-sided for chance: Fisher's randomization test
    by flips of signs (McNemar's exact test where scores are right or wrong). And their interval must leave out zero:
    two pairs are imagined besides, one as far apart as any in either direction (Bonett and Price, "Adjusted Wald
    confidence interval for a difference of binomial proportions based on paired data", 2012). If there is no verdict,
    the interval holds zero.

    That holds for one look at a number of scores that was fixed before. Who buys further scores while it is undecided,
    and looks again, counts each look as a rival.

    Args:
        old: place of an example -> its scores.
        new: the same of the other candidate.
        confidence: how often the interval shall hold the true difference; half of what is left is the
            chance that a candidate which is equally good passes for better.
        rivals: among how many candidates `new` was picked by these scores, times the looks; each gets its part of the
            allowed error.
        score_range: the lowest and the highest score there can be. If it is given, the interval allows for rare large
            differences that were not seen. None: 0 and 1 if all scores lie between these, else unknown.
        seed: of the flips, where there are too many to try all.

    Raises:
        ValueError: a score is not finite or lies outside the range; an argument is out of its own.
    """
    checked_confidence(confidence)
    if isinstance(rivals, bool) or not isinstance(rivals, int) or rivals < 1:
        raise ValueError(f"rivals must be a whole number >= 1, got {rivals!r}.")
    pairs = [(place, old[place], scores) for place, scores in new.items() if scores and old.get(place)]
    width = _width(pairs, score_range)
    differences = [fmean(fresh) - fmean(past) for _, past, fresh in pairs]
    mean = fmean(differences) if pairs else 0.0
    p_value = min(1.0, rivals * sign_flip_p_value(differences, seed)) if pairs else 1.0
    low, high = _around(differences, width, 1 - (1 - confidence) / rivals, rare=score_range is not None)
    if p_value > 1 - confidence:
        low, high = min(low, 0.0), max(high, 0.0)
    return Comparison(mean, min(low, mean), max(high, mean), len(pairs), p_value, confidence)


def regressions(
    pinned: Iterable[_Place],
    old: Mapping[_Place, Sequence[float]],
    new: Mapping[_Place, Sequence[float]],
    *,
    confidence: float = 0.95,
) -> list[_Place]:
    """The pinned examples at which `new` is worse than `old`.

    Single scores are taken at their word. Where an example was scored repeatedly and the scores differ among
    themselves, a loss must exceed what Student's test of two means leaves to noise.

    Args:
        pinned: places of examples that must not get worse.
        old: place -> its scores.
        new: the same of the new candidate.
        confidence: how sure a loss in noisy scores must be.

    Raises:
        ValueError: a pinned example has no scores of either candidate; an argument is out of its range.
    """
    checked_confidence(confidence)
    found = []
    for place in pinned:
        for name, table in (("old", old), ("new", new)):
            if not table.get(place):
                raise ValueError(f"pinned example {place!r} has no scores in {name}: evaluate it there, too.")
        past, fresh = old[place], new[place]
        degrees = len(past) + len(fresh) - 2
        within = _squares(past) + _squares(fresh)
        noise = math.sqrt(within / degrees * (1 / len(past) + 1 / len(fresh))) if degrees and within else 0.0
        if fmean(past) - fmean(fresh) > max(noise and noise * t_quantile(confidence, degrees), 1e-12):
            found.append(place)
    return found


_Pairs = Sequence[tuple[Hashable, Sequence[float], Sequence[float]]]


def _around(differences: Sequence[float], bound: float, confidence: float, *, rare: bool) -> tuple[float, float]:
    """The interval of the mean difference, with two imagined pairs besides; none is larger than the bound."""
    extreme = bound if rare else max(map(abs, differences), default=0.0) or bound
    if not differences or math.isinf(extreme):
        return -bound, bound
    count = len(differences) + 2
    mean = math.fsum(differences) / count
    variance = (math.fsum(value * value for value in differences) + 2 * extreme**2) / count - mean**2
    half = t_quantile((1 + confidence) / 2, count - 1) * math.sqrt(variance / count)
    return max(-bound, mean - half), min(bound, mean + half)


def _width(pairs: _Pairs, score_range: tuple[float, float] | None) -> float:
    """How far two scores can lie apart; infinite if nobody knows."""
    values = [value for _, past, fresh in pairs for scores in (past, fresh) for value in scores]
    if not all(map(math.isfinite, values)):
        culprit = next(place for place, *scores in pairs if not all(map(math.isfinite, (*scores[0], *scores[1]))))
        raise ValueError(f"scores must be finite, but those at {culprit!r} are not: give a failure the lowest score.")
    low, high = range_of(values, score_range)
    return high - low


def _squares(scores: Sequence[float]) -> float:
    """The sum of squared deviations from the mean."""
    mean = fmean(scores)
    return math.fsum((value - mean) ** 2 for value in scores)
