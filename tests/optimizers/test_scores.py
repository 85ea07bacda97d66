"""Scores: reading them from feedback, and when one mean is clearly better."""

import math
import random

import numpy as np
import pytest

from opto.optimizers.scores import ScoreRange, Tally, clearly_better, score_of, scores_of


@pytest.mark.parametrize(
    ("feedback", "score"),
    [
        (1, 1.0),
        (True, 1.0),
        (np.float32(0.5), 0.5),
        ((0.25, "too long"), 0.25),
        ({"score": 2, "feedback": "fine"}, 2.0),
    ],
)
def test_feedback_with_a_score(feedback, score):
    """Numbers, pairs and mappings."""
    assert score_of(feedback) == score


@pytest.mark.parametrize("feedback", [math.nan, -math.inf, ValueError("no")])
def test_failed_evaluations(feedback):
    """What is no finite number stands for a failure."""
    assert math.isnan(score_of(feedback))


@pytest.mark.parametrize("feedback", ["0.5", None, [], {"text": "no"}, ("text", 1)])
def test_feedback_without_a_score(feedback):
    """The error says what would be right."""
    with pytest.raises(TypeError, match="score_from="):
        score_of(feedback)


def test_one_score_or_several():
    """A score function may return one number, or one for each item."""
    assert scores_of(0.5) == [0.5]
    assert scores_of([1, 0]) == [1.0, 0.0]
    assert scores_of(np.array([0.5, 1.0])) == [0.5, 1.0]


def test_a_tally_is_mean_and_spread():
    """The running tally agrees with numpy."""
    scores = [0.3, 0.9, 0.1, 0.4]
    tally = Tally.of(scores)
    assert tally.mean == pytest.approx(np.mean(scores))
    assert tally.squares == pytest.approx(np.var(scores) * 4)


def test_rewards():
    """Rewards lie between 0 and 1, the larger the better, and turn back into scores."""
    losses = ScoreRange.checked((0, 10), "minimize")
    assert losses.reward(2) == 0.8
    assert losses.score(0.8) == pytest.approx(2)
    with pytest.raises(ValueError, match="score_range"):
        losses.reward(11)
    with pytest.raises(TypeError, match="pair"):
        ScoreRange.checked(3, "maximize")
    with pytest.raises(ValueError, match="low < high"):
        ScoreRange.checked((1, 1), "maximize")


def test_thin_evidence_is_not_enough():
    """Few scores, small gains and losses leave the present value in place; a large gain does not."""
    assert not clearly_better([1.0] * 3, [0.0] * 3, width=1, confidence=0.9)
    assert not clearly_better([1, 0, 1, 1, 0, 1], [1, 0, 1, 0, 0, 1], width=1, confidence=0.9)
    assert not clearly_better([0.0] * 50, [1.0] * 50, width=1, confidence=0.9)
    assert clearly_better([1.0] * 12, [0.0] * 12, width=1, confidence=0.9)


@pytest.mark.parametrize("as_tally", [False, True])
def test_equals_are_seldom_replaced(as_tally):
    """With the best of ten rivals that are no better, the present value falls about as seldom as the rule says."""
    draw = random.Random(1)
    replaced = 0
    for _ in range(200):
        arms = [[float(draw.random() < 0.5) for _ in range(16)] for _ in range(11)]
        best = max(arms[1:], key=sum)
        pair = (Tally.of(best), Tally.of(arms[0])) if as_tally else (best, arms[0])
        replaced += clearly_better(*pair, width=1, confidence=0.9, rivals=10)
    assert replaced < 40  # 20 expected
