"""Means, their intervals, and the gap between validation and held-out scores."""

from __future__ import annotations

import math
import random

import pytest

from opto.trainer.evidence.intervals import gap, interval, t_quantile, wilson


def test_quantiles_of_student():
    """They agree with printed tables, by both ways of computing them."""
    table = {
        1: 12.706,
        2: 4.303,
        3: 3.182,
        4: 2.776,
        5: 2.571,
        10: 2.228,
        30: 2.042,
        100: 1.984,
        101: 1.984,
        200: 1.972,
    }
    assert {degrees: round(t_quantile(0.975, degrees), 3) for degrees in table} == table
    assert t_quantile(0.5, 7) == pytest.approx(0, abs=1e-12)


def test_right_or_wrong():
    """Scores of 0 and 1 get Wilson's interval, also on another scale; a few right ones are no certainty."""
    found = interval([1.0] * 8 + [0.0] * 2)
    assert (found.low, found.high) == wilson(8, 10) == pytest.approx((0.490, 0.943), abs=1e-3)
    scaled = interval([5.0] * 8 + [-5.0] * 2, score_range=(-5, 5))
    assert scaled.mean == 3
    assert scaled.low == pytest.approx(10 * found.low - 5)
    assert interval([1, 1, 1]).low == pytest.approx(0.438, abs=1e-3)
    assert interval([True, False]).mean == 0.5


def test_few_scores_are_no_certainty():
    """No scores, one score and equal scores give wide intervals: the whole range, or no bounds without one."""
    none = interval([], score_range=(0, 10))
    assert (none.low, none.high, none.count) == (0, 10, 0)
    assert math.isnan(none.mean)
    assert str(none) == "no scores"
    assert (interval([0.7]).low, interval([0.7]).high) == (0, 1)
    equal = interval([0.7] * 5)
    assert 0 < equal.low < 0.5
    assert equal.high > 0.95
    assert math.isinf(interval([7.0]).high)
    assert math.isinf(interval([7.0] * 5).low)
    assert interval([7.0] * 5, score_range=(0, 10)).low > 0


def test_intervals_hold_the_mean_as_often_as_they_say():
    """Of 400 intervals of skewed, right-or-wrong and normal scores, 95% or nearly so hold the true mean."""
    draw = random.Random(0)
    kinds = {
        0.95: lambda: 1.0 if draw.random() < 0.9 else draw.random(),
        0.8: lambda: float(draw.random() < 0.8),
        3.0: lambda: draw.gauss(3, 1),
    }
    for mean, score in kinds.items():
        for count in (4, 12, 40):
            held = sum(
                found.low <= mean <= found.high
                for found in (interval([score() for _ in range(count)]) for _ in range(400))
            )
            assert held >= 0.91 * 400, (mean, count)


def test_repeats_of_an_example_count_once():
    """A table of repeated scores counts by the mean of each place."""
    found = interval({"a": [1.0, 0.0], "b": [1.0, 1.0], "c": []})
    assert (found.mean, found.count) == (0.75, 2)


def test_gap():
    """The gap has the sign of validation less held-out, and an interval that two small sets make wide."""
    found = gap([1.0] * 45 + [0.0] * 5, [1.0] * 82 + [0.0] * 18)
    assert str(found) == "validation 0.90, held-out 0.82, gap 0.08 (-0.05 to 0.18)"
    assert found.difference == pytest.approx(0.08)
    assert str(gap([1.0], [])) == "no gap: scores are missing"
    far = gap([1.0] * 50, [0.0] * 50)
    assert 0.85 < far.low < far.difference == 1.0


def test_texts():
    """Intervals say mean, number and bounds in one line."""
    assert str(interval([1, 1, 0, 1] * 25)) == "0.75 on 100 examples (95%: 0.66 to 0.82)"
    assert str(interval([1.0], confidence=0.9)).startswith("1.00 on 1 example (90%:")


def test_what_is_no_score():
    """Scores that are not finite, no numbers or out of the range are refused, and so is a confidence of 1."""
    with pytest.raises(ValueError, match="finite"):
        interval([0.5, math.nan])
    with pytest.raises(TypeError, match="number"):
        interval(["good"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="score_range"):
        interval([2.0], score_range=(0, 1))
    with pytest.raises(ValueError, match="confidence"):
        interval([0.5], confidence=1)
