"""Comparisons of two candidates: verdicts, their errors, and what they take."""

from __future__ import annotations

import math
import random

import pytest

from opto.trainer.evidence.comparing import compare, regressions
from opto.trainer.evidence.sign_flips import sign_flip_p_value


def table(scores):
    """Place -> scores, of one score or a list for each place."""
    return {place: each if isinstance(each, list) else [float(each)] for place, each in enumerate(scores)}


def test_verdicts():
    """Six wins and no loss are a verdict, five are none; it turns around with the candidates."""
    better = compare(table([0] * 6), table([1] * 6))
    assert better.better
    assert not better.undecided
    assert better.p_value == pytest.approx(2 / 64)
    assert compare(table([1] * 6), table([0] * 6)).worse
    five = compare(table([0] * 5), table([1] * 5))
    assert five.undecided
    assert five.low <= 0 < five.high
    assert compare(table([0] * 6), table([1] * 6), rivals=2).undecided


def test_only_common_examples_count():
    """Places that one of them lacks, or has no scores at, are left out; without any in common nothing is decided."""
    found = compare({1: [0.0], 2: [1.0], 3: []}, {2: [0.5], 3: [1.0], 4: [1.0]})
    assert (found.pairs, found.difference) == (1, -0.5)
    none = compare({1: [0.0]}, {2: [1.0]})
    assert none.undecided
    assert str(none) == "no example in common"


def test_equal_scores_are_undecided():
    """Equal scores are a difference of 0 that is not certain; without a range nothing bounds it."""
    equal = compare(table([1, 0, 1, 1]), table([1, 0, 1, 1]))
    assert equal.undecided
    assert (equal.difference, equal.p_value) == (0, 1)
    assert equal.high > 0.3
    assert math.isinf(compare(table([7.0] * 9), table([7.0] * 9)).high)
    assert compare(table([7.0] * 9), table([7.0] * 9), score_range=(0, 10)).high < 10


def test_text():
    """A comparison says difference, number and interval in one line."""
    found = compare(table([0] * 10 + [1] * 10), table([1] * 8 + [0] * 2 + [1] * 10))
    assert str(found) == "+0.40 on 20 examples (95%: +0.11 to +0.62)"


@pytest.mark.parametrize("repeats", [1, 3])
def test_equals_seldom_pass_for_better(repeats):
    """Of 400 pairs of equally good noisy candidates, at most about 2.5% pass for better."""
    draw = random.Random(repeats)
    better = held = 0
    for _ in range(400):
        chances = [draw.random() for _ in range(24)]
        old, new = (
            table([[float(draw.random() < chance) for _ in range(repeats)] for chance in chances]) for _ in range(2)
        )
        found = compare(old, new)
        better += found.better
        held += found.low <= 0 <= found.high
    assert better <= 18  # 10 expected at most
    assert held >= 372


def test_repeats_make_a_comparison_surer():
    """The same gain on the same examples is undecided with single noisy scores and decided with ten of each."""
    draw = random.Random(3)

    def noisy(chance, repeats):
        return table([[float(draw.random() < chance) for _ in range(repeats)] for _ in range(20)])

    assert compare(noisy(0.5, 1), noisy(0.75, 1)).undecided
    assert compare(noisy(0.5, 10), noisy(0.75, 10)).better
    assert compare({1: [0.0] * 50}, {1: [1.0] * 50}).undecided  # one example, however often


def test_rare_losses_are_allowed_for_where_the_range_is_known():
    """Ten small gains decide, unless a range says that one loss could outweigh them."""
    old, new = table([0.9] * 10), table([0.95] * 10)
    assert compare(old, new).better
    assert compare(old, new, score_range=(0, 1)).undecided


def test_many_pairs():
    """10,000 pairs are compared, too."""
    draw = random.Random(1)
    old, new = (table([draw.random() for _ in range(10_000)]) for _ in range(2))
    assert compare(old, new).pairs == 10_000


def test_sign_flips_agree_with_one_another():
    """Enumerated, drawn and partly normal flips give about the same p-values; equal sizes are McNemar's exact test."""
    assert sign_flip_p_value([1.0] * 8 + [-1.0] * 2 + [0.0] * 50) == pytest.approx(0.109375)
    assert sign_flip_p_value([0.1] * 8 + [-0.1] * 2) == pytest.approx(0.109375)
    few = [0.1, 0.25, -0.07, 0.3, 0.12, -0.2, 0.33, 0.21]
    brute = (
        sum(
            abs(sum(size if flips >> at & 1 else -size for at, size in enumerate(few))) >= sum(few) - 1e-12
            for flips in range(2**8)
        )
        / 2**8
    )
    assert sign_flip_p_value(few) == pytest.approx(brute)
    draw = random.Random(2)
    many = [draw.gauss(0.2, 1) for _ in range(64)]
    assert sign_flip_p_value(many + [1e-9] * 40) == pytest.approx(sign_flip_p_value(many), abs=0.01)
    assert sign_flip_p_value(many, seed=1) == sign_flip_p_value(many, seed=1)
    assert sign_flip_p_value([1.0] * 5000 + [-1.0] * 4800) == pytest.approx(0.0444, abs=0.001)
    assert sign_flip_p_value([]) == 1


def test_regressions():
    """Single scores count as they are; repeated ones that differ must lose more than noise; gains are none."""
    old = {"a": [1.0], "b": [1.0] * 5, "c": [1.0, 1.0], "d": [0.5], "e": [1.0] * 4}
    new = {"a": [0.0], "b": [1.0, 1.0, 1.0, 1.0, 0.0], "c": [0.0, 0.0], "d": [0.6], "e": [0.0, 0.0, 0.0, 1.0]}
    assert regressions("abcde", old, new) == ["a", "c", "e"]
    assert regressions([], old, new) == []
    with pytest.raises(ValueError, match="pinned example 'z' has no scores in old"):
        regressions("z", old, new)
    with pytest.raises(ValueError, match="confidence"):
        regressions("a", old, new, confidence=1)


def test_what_is_no_comparison():
    """Scores that are not finite are named by their place, and options out of range are refused."""
    with pytest.raises(ValueError, match="those at 1 are not"):
        compare(table([1, 1]), table([1, math.nan]))
    with pytest.raises(ValueError, match="rivals"):
        compare({}, {}, rivals=0)
    with pytest.raises(ValueError, match="confidence"):
        compare({}, {}, confidence=0.2)
    with pytest.raises(ValueError, match="score_range"):
        compare(table([1]), table([2]), score_range=(0, 1))
