"""Scores of programs as arrays."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

from opto.errors import OptoWarning
from opto.trainer.evaluators import aggregate_vector_scores, evaluate, evaluate_vector
from opto.trainer.guide import Guide
from opto.trainer.results import ResultCache
from opto.trainer.rollouts import Evaluator
from tests.trainer.programs import async_shouter, exact, shouter

XS = ["a", "b", "bad", "c"]
INFOS = ["A!", "x", "", "C!"]


@pytest.mark.parametrize("make", [shouter, async_shouter])
def test_an_array_of_scores(make):
    """A score for each example; one at which the program fails gets `min_score`."""
    scores = evaluate(make(), exact, XS, INFOS, min_score=-1.0, num_threads=2, description="A test")
    assert scores.shape == (4,)
    assert scores.dtype == np.float64
    assert scores.tolist() == [1.0, 0.0, -1.0, 1.0]


def test_without_a_min_score():
    """A failure is NaN."""
    assert math.isnan(evaluate(shouter(), exact, ["bad"], [""])[0])


def test_several_samples():
    """A row for each example; each sample is an evaluation of its own, also with a cache."""
    lock, count = threading.Lock(), 0

    def judge(query, response, reference):
        nonlocal count
        with lock:
            count += 1
            return count

    with Evaluator(cache=ResultCache(), identity=lambda thing: type(thing).__name__) as evaluator:
        scores = evaluate(shouter(), judge, ["a", "b"], ["", ""], num_samples=3, evaluator=evaluator)
        again = evaluate(shouter(), judge, ["a", "b"], ["", ""], num_samples=3, evaluator=evaluator)
    assert scores.shape == (2, 3)
    assert sorted(scores.ravel()) == [1, 2, 3, 4, 5, 6]
    assert again.tolist() == scores.tolist()


def test_no_examples():
    """The array is empty."""
    assert evaluate(shouter(), exact, [], []).shape == (0,)
    assert evaluate(shouter(), exact, [], [], num_samples=2).shape == (0, 2)
    assert evaluate_vector(shouter(), exact, [], []) == []


class Several(Guide):
    """Two objectives."""

    def get_feedback(self, query, response, reference=None, **kwargs):
        """Right and short."""
        return {"right": float(response == reference), "short": 1.0}, ""


def test_scores_in_several_objectives():
    """A dict for each example."""
    assert evaluate_vector(shouter(), Several(), XS, INFOS) == [
        {"right": 1.0, "short": 1.0},
        {"right": 0.0, "short": 1.0},
        {},
        {"right": 1.0, "short": 1.0},
    ]
    assert evaluate_vector(shouter(), exact, ["a", "bad"], ["A!", ""], min_score=0) == [{"score": 1.0}, {"score": 0.0}]
    [failed] = evaluate_vector(shouter(), Several(), ["bad"], [""], min_score={"right": 0.0, "short": 0.5})
    assert failed == {"right": 0.0, "short": 0.5}


def test_a_guide_with_several_objectives_needs_the_other_function():
    """The error says which."""
    with pytest.raises(TypeError, match="evaluate_vector"):
        evaluate(shouter(), Several(), XS, INFOS)


def test_means():
    """Each objective over the dicts that have it."""
    assert aggregate_vector_scores([{"a": 1.0, "b": 2.0}, {"a": 0.0}]) == {"a": 0.5, "b": 2.0}
    assert aggregate_vector_scores([]) == {}


def test_what_could_not_be_completed_is_told():
    """Time-outs count as failures, and are not silent."""
    end = threading.Event()

    def program(x):
        if x == "hang":
            end.wait()
        return x

    with Evaluator(timeout=0.02, retries=0) as evaluator, pytest.warns(OptoWarning, match="A test: 1 evaluations"):
        scores = evaluate(program, exact, ["hang", "a"], ["", "a"], 0.0, description="A test", evaluator=evaluator)
    end.set()
    assert scores.tolist() == [0.0, 1.0]


def test_arguments_are_checked():
    """Errors name the argument."""
    with pytest.raises(ValueError, match="same length, got 1 and 2"):
        evaluate(shouter(), exact, ["a"], ["", ""])
    with pytest.raises(ValueError, match="num_samples must be an integer >= 1, got 0"):
        evaluate(shouter(), exact, ["a"], [""], num_samples=0)
    with pytest.raises(ValueError, match="num_threads must not be given besides an evaluator"):
        evaluate(shouter(), exact, ["a"], [""], num_threads=2, evaluator=Evaluator())
