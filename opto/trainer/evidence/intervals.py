"""Means with their confidence intervals, and the gap between two means that share no examples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opto.optimizers.scores import ScoreRange, Tally
from opto.trainer.objectives import finite_number

__all__ = ["Gap", "Interval", "checked_confidence", "gap", "interval", "range_of", "t_quantile", "wilson"]

_EXACT_DEGREES = 100


@dataclass(frozen=True)
class Interval:
    """The mean of some scores, and what the true mean may be.

    Attributes:
        mean: of the scores; NaN if there are none.
        low: where the interval begins; -inf if nothing bounds it.
        high: where it ends.
        count: of how many examples.
        confidence: how often such intervals hold the true mean.
    """

    mean: float
    low: float
    high: float
    count: int
    confidence: float

    def __str__(self) -> str:
        if not self.count:
            return "no scores"
        examples = "1 example" if self.count == 1 else f"{self.count:,} examples"
        return f"{self.mean:.2f} on {examples} ({percent(self.confidence)}: {self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Gap:
    """How far a validation score lies above a held-out one.

    Attributes:
        difference: validation less held-out; NaN if either has no scores.
        low: where its interval begins.
        high: where it ends.
        validation: the one mean.
        held_out: the other.
    """

    difference: float
    low: float
    high: float
    validation: Interval
    held_out: Interval

    def __str__(self) -> str:
        if not (self.validation.count and self.held_out.count):
            return "no gap: scores are missing"
        return (
            f"validation {self.validation.mean:.2f}, held-out {self.held_out.mean:.2f}, "
            f"gap {self.difference:.2f} ({self.low:.2f} to {self.high:.2f})"
        )


def interval(
    scores: Iterable[float] | Mapping[Any, Iterable[float]],
    *,
    confidence: float = 0.95,
    score_range: tuple[float, float] | None = None,
) -> Interval:
    """The mean of scores with its confidence interval, for other examples of the kind.

    Scores that all lie at an end of the range (right or wrong) get Wilson's interval. Others get Student's, to whose
    variance one imagined score adds the most that the range allows: a few equal scores are no certainty. Without a
    range, one score or equal ones bound nothing, and the interval is infinite.

    Args:
        scores: one for each example; or place -> the repeated scores there, which count as their mean.
        confidence: how often the interval shall hold the true mean.
        score_range: the lowest and the highest score there can be. None: 0 and 1 if all scores lie between these,
            else unknown.

    Raises:
        ValueError: a score is not finite or lies outside the range; the confidence is not between 0.5 and 1.
        TypeError: a score is no number.
    """
    checked_confidence(confidence)
    values = _values(scores)
    low, high = range_of(values, score_range)
    tally = Tally.of(values)
    if not values:
        return Interval(math.nan, low, high, 0, confidence)
    if all(value in (low, high) for value in values):
        share = wilson(sum(value == high for value in values), len(values), confidence=confidence)
        ends = tuple(low + part * (high - low) for part in share)
    elif math.isfinite(high) or (tally.count > 1 and tally.squares > 0):
        # Without a range nothing is imagined, and the variance is the usual one, with one degree of freedom less.
        width = high - low if math.isfinite(high) else 0.0
        variance = tally.variance_of_mean(width) * (1 if width else tally.count / (tally.count - 1))
        half = t_quantile((1 + confidence) / 2, max(tally.count - 1, 1)) * math.sqrt(variance)
        ends = max(low, tally.mean - half), min(high, tally.mean + half)
    else:
        ends = low, high
    mean = math.fsum(values) / len(values)
    return Interval(mean, min(ends[0], mean), max(ends[1], mean), len(values), confidence)


def gap(
    validation: Iterable[float] | Mapping[Any, Iterable[float]],
    held_out: Iterable[float] | Mapping[Any, Iterable[float]],
    *,
    confidence: float = 0.95,
    score_range: tuple[float, float] | None = None,
) -> Gap:
    """How far a validation score lies above a held-out one, with an interval.

    The intervals of the two means are put together as the legs of a triangle (Newcombe, "Interval estimation for the
    difference between independent proportions", 1998, method 10; Zou and Donner, "Construction of confidence limits
    about effect measures", 2008, for other means).

    Args:
        validation: scores by which the candidate was chosen.
        held_out: scores on examples that nothing was chosen by.
        confidence: as in `interval`.
        score_range: as in `interval`.
    """
    one = interval(validation, confidence=confidence, score_range=score_range)
    other = interval(held_out, confidence=confidence, score_range=score_range)
    difference = one.mean - other.mean
    if math.isnan(difference):
        return Gap(difference, -math.inf, math.inf, one, other)
    low = difference - math.hypot(one.mean - one.low, other.high - other.mean)
    high = difference + math.hypot(one.high - one.mean, other.mean - other.low)
    return Gap(difference, low, high, one, other)


def wilson(right: int, total: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """The confidence interval of a share, by Wilson's formula (1927)."""
    from statistics import NormalDist

    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = right / total
    middle = share + z * z / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    # Exact at the ends, where rounding would leave a trace.
    low = (middle - half) / (1 + z * z / total) if right else 0.0
    high = (middle + half) / (1 + z * z / total) if right < total else 1.0
    return low, high


def t_quantile(probability: float, degrees: int) -> float:
    """What Student's t stays below with a probability of at least one half.

    By bisection of its distribution; for many degrees of freedom by the expansion around the normal quantile
    (Abramowitz and Stegun, 26.7.3, 26.7.4 and 26.7.5).
    """
    from statistics import NormalDist

    if degrees > _EXACT_DEGREES:
        z = NormalDist().inv_cdf(probability)
        return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        low, high = (angle, high) if _within(angle, degrees) < 2 * probability - 1 else (low, angle)
    return math.tan(low) * math.sqrt(degrees)


def _within(angle: float, degrees: int) -> float:
    """The probability that t lies between plus and minus tan(angle) times the root of the degrees."""
    odd = degrees % 2
    cosine = math.cos(angle)
    total, term = 0.0, cosine if odd else 1.0
    for step in range(degrees // 2):
        total += term
        term *= cosine**2 * (2 * step + 1 + odd) / (2 * step + 2 + odd)
    return (2 / math.pi) * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total


def percent(confidence: float) -> str:
    """A confidence in words."""
    return f"{100 * confidence:.4g}%"


def checked_confidence(confidence: float) -> float:
    """The argument `confidence`.

    Raises:
        ValueError: it is not between 0.5 and 1.
    """
    if not 0.5 <= confidence < 1:
        raise ValueError(f"confidence must be at least 0.5 and less than 1, got {confidence!r}.")
    return confidence


def range_of(values: Sequence[float], score_range: tuple[float, float] | None) -> tuple[float, float]:
    """The lowest and the highest score there can be, if these were seen; infinite if nobody knows.

    Raises:
        ValueError: a score lies outside the range that is given.
    """
    ends = (min(values), max(values)) if values else ()
    if score_range is None:
        return (0.0, 1.0) if ends and ends[0] >= 0 and ends[1] <= 1 else (-math.inf, math.inf)
    known = ScoreRange.checked(score_range, "maximize")
    for end in ends:
        known.reward(end)
    return known.low, known.high


def _values(scores: Iterable[float] | Mapping[Any, Iterable[float]]) -> list[float]:
    if isinstance(scores, Mapping):
        tables = [_values(each) for each in scores.values()]
        return [math.fsum(each) / len(each) for each in tables if each]
    return [finite_number("a score", each) for each in scores]
