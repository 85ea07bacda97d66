"""Examples at which the parents are bad come first."""

import random

import pytest

from opto.trainer.strategies.examples import Errors
from tests.trainer.searching import candidate, run_of


def picks(run, selector, count=100):
    """What is picked in so many steps."""
    found = []
    for step in range(count):
        run.random = random.Random(step)
        found.append(selector.pick(run))
    return found


def test_errors_are_picked():
    """Where all scores are known, the batch is made of examples that the parent fails at."""
    run = run_of(places=20, score_range=(0, 1), batch_size=3)
    parent = candidate(run, 1, scores={place: float(place not in (3, 7, 11)) for place in range(20)})
    run.parents = [parent]
    assert all(sorted(each) == [3, 7, 11] for each in picks(run, Errors(exploration=0.0)))


def test_some_examples_come_from_the_loader():
    """Examples of which nothing is known have their turn; those that went well have none."""
    run = run_of(places=20, score_range=(0, 1), batch_size=4)
    run.parents = [candidate(run, 1, scores={place: float(place != 3) for place in range(10)})]
    found = picks(run, Errors(exploration=0.5))
    assert {place for each in found for place in each} == {3, *range(10, 20)}
    assert all(1 <= len(each) == len(set(each)) <= 4 for each in found)


def test_all_is_well():
    """Where every example went well, the loader's are taken as they come."""
    run = run_of(places=8, score_range=(0, 1), batch_size=4)
    run.parents = [candidate(run, 1, scores=dict.fromkeys(range(8), 1.0))]
    assert {place for each in picks(run, Errors()) for place in each} == set(range(8))


def test_worse_examples_are_likelier():
    """An example that more is lost at is picked more often."""
    run = run_of(places=4, score_range=(0, 1), batch_size=1)
    run.parents = [candidate(run, 1, scores={0: 0.1, 1: 0.9, 2: 1.0, 3: 1.0})]
    first = [each[0] for each in picks(run, Errors(exploration=0.0), 200)]
    assert first.count(0) > 150
    assert first.count(2) == first.count(3) == 0


def test_scores_of_ancestors_serve_as_a_guess():
    """What a parent was not run on counts as it was for its own parent."""
    run = run_of(places=10, score_range=(0, 1), batch_size=1)
    elder = candidate(run, 1, scores={place: float(place != 6) for place in range(10)})
    run.parents = [candidate(run, 2, parents=[elder], scores={0: 1.0})]
    assert {tuple(each) for each in picks(run, Errors(exploration=0.0))} == {(6,)}


def test_refuses_odd_options():
    """Options out of range are named."""
    with pytest.raises(ValueError, match="exploration must be a part"):
        Errors(exploration=2)
