"""Scores by example."""

from __future__ import annotations

import math

import pytest

from opto.trainer.objectives import ObjectiveConfig
from opto.trainer.score_tables import ScoreTable


def test_mean_is_over_examples():
    """An example that was repeated more often weighs no more."""
    table = ScoreTable()
    for place, score in [(0, 1.0), (1, 0.0), (1, 0.0), (1, 0.0)]:
        table.add(place, score)
    assert table.mean() == 0.5
    assert table.at(1) == (0.0, 0.0, 0.0)
    assert (len(table), table.repeats, table.count(1), table.count(7)) == (2, 4, 3, 0)


def test_mean_of_some_places():
    """Places without a score are left out; of none there is no mean."""
    table = ScoreTable()
    table.add(3, 0.25)
    assert table.mean([3, 4]) == 0.25
    assert math.isnan(table.mean([4]))
    assert math.isnan(ScoreTable().mean())


def test_dicts_of_scores():
    """An objective makes numbers of them, and the means of all metrics are known."""
    table = ScoreTable(ObjectiveConfig(scalarize_dict="weighted", weights={"good": 1.0, "short": 0.5}))
    table.add(0, {"good": 1.0, "short": 0.0})
    table.add(1, {"good": 0.0, "short": 1.0})
    assert table.mean() == 0.75
    assert table.mean_dict() == {"good": 0.5, "short": 0.5}
    assert table.numbers() == {0: [1.0], 1: [0.5]}


def test_dict_without_objective():
    """A dict of scores needs an objective."""
    with pytest.raises(ValueError, match="ObjectiveConfig is None"):
        ScoreTable().add(0, {"good": 1.0})


def test_mean_after_many():
    """The running mean stays exact enough over many scores."""
    table = ScoreTable()
    for place in range(10_000):
        table.add(place % 100, (place % 7) / 7)
    expected = math.fsum((place % 7) / 7 for place in range(10_000)) / 10_000
    assert table.mean() == pytest.approx(expected, abs=1e-9)
