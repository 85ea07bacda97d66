"""Scoring values with a plain function."""

import pytest

from opto.optimizers.drivers import run
from opto.optimizers.scoring import checked_score, completed, scored, trying
from opto.trace import node


def test_completed_values_are_those_of_all_trainable_parameters():
    """The present values stand in for those that are not given."""
    x, y, z = (node(number, trainable=True) for number in range(3))
    z.trainable = False
    assert completed([x, y, z], {x: 7}) == {x: 7, y: 1}


@pytest.mark.parametrize(("said", "score"), [(2, 2.0), (True, 1.0), ([1, 2], 1.5), ((0.5, "text")[0], 0.5)])
def test_scores(said, score):
    """A number, a bool, or several numbers, of which the mean counts."""
    assert run(scored(lambda values: said, {}), None, {}) == score


@pytest.mark.parametrize("said", ["good", None, [], float("nan"), float("inf")])
def test_what_is_no_score(said):
    """The error says what is needed."""
    with pytest.raises((TypeError, ValueError), match=r"number|finite"):
        run(scored(lambda values: said, {}), None, {})


def test_the_values_given_to_a_score_are_a_copy():
    """A function that changes its argument harms nobody."""
    x = node(1, trainable=True)
    values = {x: 1}
    run(scored(lambda given: given.clear() or 1.0, values), None, {})
    assert values == {x: 1}


def test_a_score_that_is_no_function():
    """The error names the argument."""
    with pytest.raises(TypeError, match="score must be a function"):
        checked_score("score", 5)
    assert checked_score("score", None) is None


def test_trying():
    """The values hold inside the block alone; blocks nest."""
    x, y = node(1, trainable=True), node("a", trainable=True)
    with trying({x: 2, y: "b"}):
        with trying({x: 3}):
            assert (x.data, y.data) == (3, "b")
        assert (x.data, y.data) == (2, "b")
    assert (x.data, y.data) == (1, "a")
