"""Scores: how a number is read from feedback, and when one mean is clearly better than another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["ScoreRange", "Tally", "clearly_better", "score_of", "scores_of"]


def score_of(feedback: Any) -> float:
    """The score in a feedback: a number, the first of a pair `(score, text)`, or what a mapping has under `"score"`.

    Returns:
        The score; NaN for what stands for a failed evaluation: an exception, or a number that is not finite.

    Raises:
        TypeError: there is no number in it.
    """
    found = feedback
    if isinstance(feedback, Mapping):
        found = feedback.get("score")
    elif isinstance(feedback, (tuple, list)) and feedback:
        found = feedback[0]
    if isinstance(found, BaseException):
        return math.nan
    if hasattr(found, "__float__") and not isinstance(found, (str, bytes)):
        number = float(found)
        return number if math.isfinite(number) else math.nan
    raise TypeError(
        f"feedback must be a number, a pair (score, text) or a mapping with 'score', got {feedback!r}. "
        "Another form can be read with score_from=, a function that gives the score of a feedback."
    )


def scores_of(result: Any) -> list[float]:
    """The scores that a score function returned: a number is one evaluation, a sequence of numbers several.

    Raises:
        TypeError: it is neither.
    """
    if hasattr(result, "tolist"):  # an array, or a number of numpy's
        result = result.tolist()
    if isinstance(result, Iterable) and not isinstance(result, (str, bytes, Mapping)):
        return [score_of(each) for each in result]
    return [score_of(result)]


@dataclass(frozen=True)
class ScoreRange:
    """The least and the greatest score there can be; scores become rewards between 0 and 1, the larger the better."""

    low: float
    high: float
    direction: str = "maximize"

    @classmethod
    def checked(cls, given: Any, direction: str) -> ScoreRange:
        """The range of an argument `score_range`.

        Raises:
            TypeError: it is no pair of numbers.
            ValueError: it is not finite, or empty.
        """
        try:
            low, high = map(float, given)
        except (TypeError, ValueError) as error:
            raise TypeError(f"score_range must be a pair of numbers, got {given!r}.") from error
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"score_range must be a finite low < high, got {given!r}.")
        return cls(low, high, direction)

    def reward(self, score: float) -> float:
        """The reward of a score.

        Raises:
            ValueError: the score lies outside the range.
        """
        if not self.low <= score <= self.high:
            raise ValueError(
                f"a score must lie in score_range={(self.low, self.high)!r}, got {score!r}: give its range."
            )
        part = (score - self.low) / (self.high - self.low)
        return part if self.direction == "maximize" else 1 - part

    def score(self, reward: float) -> float:
        """The score of a reward."""
        part = reward if self.direction == "maximize" else 1 - reward
        return self.low + part * (self.high - self.low)


@dataclass
class Tally:
    """Number, mean and spread of the scores seen so far; each score is looked at once (Welford's update)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @classmethod
    def of(cls, scores: Iterable[float]) -> Tally:
        """The tally of some scores."""
        tally = cls()
        for score in scores:
            tally.add(score)
        return tally

    def add(self, score: float) -> None:
        """Count one more score."""
        self.count += 1
        off = score - self.mean
        self.mean += off / self.count
        self.squares += off * (score - self.mean)

    def variance_of_mean(self, width: float) -> float:
        """The variance of the mean, from the scores and one more at the greatest spread that the range allows.

        The extra one keeps a few equal scores from passing for certainty.
        """
        return (self.squares + width**2 / 4) / self.count**2 if self.count else math.inf


def clearly_better(
    challenger: Sequence[float] | Tally,
    present: Sequence[float] | Tally,
    *,
    width: float,
    confidence: float,
    rivals: int = 1,
    least: int = 4,
) -> bool:
    """Whether the evidence is enough to replace a present value.

    The rule: both have at least `least` scores, and the challenger's mean is higher by more than z standard errors of
    the difference, where z leaves a chance of `(1 - confidence) / rivals` to a challenger that is no better (a
    one-sided test, divided among the rivals that were tried). Two sequences are of the same items, so their
    differences are tested; tallies are of items of their own.

    Args:
        challenger: scores, larger is better.
        present: the scores of the value in place.
        width: the width of the range of scores.
        confidence: between 0.5 and 1.
        rivals: among how many challengers this one was picked.
        least: the fewest scores to judge by.
    """
    from statistics import NormalDist

    if isinstance(challenger, Tally) or isinstance(present, Tally):
        mine = challenger if isinstance(challenger, Tally) else Tally.of(challenger)
        other = present if isinstance(present, Tally) else Tally.of(present)
        count, gain = min(mine.count, other.count), mine.mean - other.mean
        variance = mine.variance_of_mean(width) + other.variance_of_mean(width)
    else:
        pairs = Tally.of(ours - theirs for ours, theirs in zip(challenger, present, strict=True))
        count, gain, variance = pairs.count, pairs.mean, pairs.variance_of_mean(width)
    if count < max(least, 1) or gain <= 0:
        return False
    z = NormalDist().inv_cdf(1 - (1 - confidence) / max(rivals, 1))
    return gain > z * math.sqrt(variance)
