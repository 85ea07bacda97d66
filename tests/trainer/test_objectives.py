"""Scores of several objectives: their form, dominance, and how the best is picked."""

from __future__ import annotations

import math
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opto.trainer.objectives import (
    ObjectiveConfig,
    aggregate_score_dicts,
    apply_minimize,
    dominates,
    normalize_score,
    pareto_rank,
    score_dict_to_scalar,
    select_best,
    select_top_k,
    to_scalar_score,
    to_score_dict,
    weighted_scalarize,
)

small_dicts = st.lists(
    st.fixed_dictionaries({"a": st.integers(0, 3), "b": st.integers(0, 3)}, optional={"c": st.integers(0, 3)}),
    max_size=14,
)


def test_the_defaults_of_a_configuration() -> None:
    """A plain score is compared by its one number."""
    config = ObjectiveConfig()
    assert (config.mode, config.weights, config.minimize, config.missing_value) == (
        "scalar",
        {},
        frozenset(),
        -math.inf,
    )
    assert (config.pareto_metrics, config.tie_break, config.seed) == (None, "weighted", 0)
    assert (config.scalarize_dict, config.score_key) == ("score", "score")


def test_a_configuration_is_frozen_and_plain() -> None:
    """It cannot be assigned to, keeps its own weights, is hashable, equal by value, and pickles."""
    weights = {"a": 1}
    config = ObjectiveConfig(mode="pareto", weights=weights, minimize={"cost"}, pareto_metrics=["a", "b"])  # type: ignore[arg-type]
    weights["a"] = 5
    assert config.weights == {"a": 1.0}
    assert config.minimize == frozenset({"cost"})
    assert config.pareto_metrics == ("a", "b")
    for name in ("mode", "seed", "weights"):
        with pytest.raises(AttributeError):
            setattr(config, name, "scalar")
    assert issubclass(FrozenInstanceError, AttributeError)
    assert pickle.loads(pickle.dumps(config)) == config
    assert len({config, pickle.loads(pickle.dumps(config))}) == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mode": "best"}, ValueError, "mode must be one of 'scalar', 'weighted', 'pareto', got 'best'"),
        ({"tie_break": "first"}, ValueError, "tie_break"),
        ({"scalarize_dict": "max"}, ValueError, "scalarize_dict"),
        ({"score_key": ""}, ValueError, "score_key"),
        ({"weights": {"a": -1}}, ValueError, "non-negative"),
        ({"weights": {"a": math.nan}}, ValueError, "finite"),
        ({"weights": [1]}, TypeError, "weights must be a dict"),
        ({"weights": {1: 1}}, TypeError, "named by a text"),
        ({"pareto_metrics": ()}, ValueError, "non-empty"),
        ({"pareto_metrics": "ab"}, TypeError, "pareto_metrics must be a collection"),
        ({"minimize": "cost"}, TypeError, "minimize must be a collection"),
        ({"missing_value": math.nan}, ValueError, "missing_value"),
        ({"seed": 1.5}, TypeError, "seed"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], error: type[Exception], message: str) -> None:
    """The message names the option."""
    with pytest.raises(error, match=message):
        ObjectiveConfig(**options)


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (0.5, {"score": 0.5}),
        (3, {"score": 3.0}),
        (True, {"score": 1.0}),
        (np.float32(0.5), {"score": 0.5}),
        (np.array(2), {"score": 2.0}),
        (np.bool_(True), {"score": 1.0}),
        ({"a": 1, "b": False}, {"a": 1.0, "b": 0.0}),
    ],
)
def test_a_score_becomes_a_dict_of_floats(score: Any, expected: dict[str, float]) -> None:
    """Numbers, truth values, numbers of numpy and dicts."""
    assert to_score_dict(score) == normalize_score(score) == expected
    assert all(type(value) is float for value in to_score_dict(score).values())


@pytest.mark.parametrize(
    ("score", "error", "message"),
    [
        ({}, ValueError, "must not be empty"),
        (math.nan, ValueError, "finite"),
        (-math.inf, ValueError, "finite"),
        pytest.param(10**400, ValueError, "finite", id="huge"),
        ({"a": math.inf}, ValueError, r"score\['a'\] must be finite"),
        ("0.5", TypeError, "got str"),
        (np.str_("0.5"), TypeError, "got str_"),
        (None, TypeError, "NoneType"),
        ([1.0], TypeError, "list"),
        (1j, TypeError, "complex"),
        (np.array([1.0]), TypeError, "ndarray"),
        ({"a": "x"}, TypeError, r"score\['a'\] must be a number, got str"),
        ({1: 1}, TypeError, "named by a text"),
    ],
)
def test_what_is_no_score_is_refused(score: Any, error: type[Exception], message: str) -> None:
    """The message names the type or the value."""
    with pytest.raises(error, match=message):
        to_score_dict(score)


def test_minimized_objectives_are_negated() -> None:
    """The others, and the dict given, stay."""
    given_ = {"quality": 1.0, "cost": 3.0}
    assert apply_minimize(given_, {"cost", "unknown"}) == {"quality": 1.0, "cost": -3.0}
    assert given_ == {"quality": 1.0, "cost": 3.0}


def test_weighted_sums() -> None:
    """Only objectives with a weight count; one that is missing counts the missing value, unless it weighs nothing."""
    scores = {"a": 1.0, "b": 2.0}
    assert weighted_scalarize(scores, {}) == 3.0
    assert weighted_scalarize(scores, {"a": 2.0}) == 2.0
    assert weighted_scalarize(scores, {"a": 1.0, "c": 1.0}) == -math.inf
    assert weighted_scalarize(scores, {"a": 1.0, "c": 1.0}, missing_value=0.0) == 1.0
    assert weighted_scalarize(scores, {"a": 1.0, "c": 0.0}) == 1.0
    assert weighted_scalarize({}, {}) == 0.0


@pytest.mark.parametrize(
    ("a", "b", "metrics", "expected"),
    [
        ({"x": 2, "y": 2}, {"x": 1, "y": 1}, None, True),
        ({"x": 2, "y": 1}, {"x": 1, "y": 1}, None, True),
        ({"x": 1, "y": 1}, {"x": 1, "y": 1}, None, False),
        ({"x": 2, "y": 0}, {"x": 1, "y": 1}, None, False),
        ({"x": 2, "y": 0}, {"x": 1, "y": 1}, ["x"], True),
        ({"x": 1, "y": 1}, {"x": 1}, None, True),
        ({"x": 1}, {"x": 1, "y": 1}, None, False),
    ],
)
def test_dominance(a: dict[str, float], b: dict[str, float], metrics: list[str] | None, expected: bool) -> None:
    """Nowhere worse and somewhere better; what is missing is worst."""
    assert dominates(a, b, metrics) is expected


@given(dicts=small_dicts, only=st.booleans())
def test_fronts_are_those_of_the_definition(dicts: list[dict[str, float]], only: bool) -> None:
    """Front 0 is what none dominates, front 1 what none dominates without front 0, and so on."""
    metrics = ["a", "b"] if only else None
    expected, left, rank = [0] * len(dicts), set(range(len(dicts))), 0
    while left:
        front = {i for i in left if not any(dominates(dicts[j], dicts[i], metrics) for j in left)}
        for i in front:
            expected[i] = rank
        left, rank = left - front, rank + 1
    assert pareto_rank(dicts, metrics) == expected


@given(st.lists(st.fixed_dictionaries({"a": st.integers(0, 4), "b": st.integers(0, 4)}), max_size=20))
def test_fronts_of_two_objectives_are_those_of_the_definition(dicts: list[dict[str, float]]) -> None:
    """Every member of a front is beaten by one of the front before, and by none of its own."""
    ranks = pareto_rank(dicts)
    for each, rank in zip(dicts, ranks, strict=True):
        beaten_in = {other_rank for other, other_rank in zip(dicts, ranks, strict=True) if dominates(other, each)}
        assert rank not in beaten_in
        assert beaten_in == set(range(rank)) or max(beaten_in) == rank - 1


def test_a_dict_becomes_one_number() -> None:
    """By key, mean or weighted sum, with minimized objectives negated."""
    scores = {"score": 0.5, "cost": 2.0}
    assert score_dict_to_scalar(scores, ObjectiveConfig()) == 0.5
    assert score_dict_to_scalar(scores, ObjectiveConfig(score_key="cost")) == 2.0
    assert score_dict_to_scalar(scores, ObjectiveConfig(scalarize_dict="mean")) == 1.25
    weighted = ObjectiveConfig(scalarize_dict="weighted", weights={"score": 2, "cost": 0.5}, minimize={"cost"})  # type: ignore[arg-type]
    assert score_dict_to_scalar(scores, weighted) == 0.0
    with pytest.raises(ValueError, match="missing key 'f1'.*'cost', 'score'"):
        score_dict_to_scalar(scores, ObjectiveConfig(score_key="f1"))
    with pytest.raises(ValueError, match="must not be empty"):
        score_dict_to_scalar({}, ObjectiveConfig(scalarize_dict="mean"))


def test_any_score_becomes_one_number() -> None:
    """A number is itself; a dict needs a configuration."""
    assert to_scalar_score(1) == to_scalar_score(True, ObjectiveConfig()) == 1.0
    assert to_scalar_score({"score": 2}, ObjectiveConfig()) == 2.0
    with pytest.raises(ValueError, match="ObjectiveConfig is None"):
        to_scalar_score({"score": 2}, None)
    with pytest.raises(TypeError, match="str"):
        to_scalar_score("2")
    with pytest.raises(ValueError, match="finite"):
        to_scalar_score(math.nan)


def test_the_best_number() -> None:
    """The position of the largest, the first of equal ones; without a configuration numbers are compared."""
    assert select_best([(1, "a"), (3, "b"), (3, "c")]) == 1
    assert select_top_k([(1, "a"), (3, "b"), (2, "c")], None, 2) == [1, 2]
    assert select_top_k([(1, "a")], k=5) == [0]
    assert select_top_k([], k=1) == []
    with pytest.raises(ValueError, match="at least one"):
        select_best([])
    with pytest.raises(ValueError, match="k must be >= 0, got -1"):
        select_top_k([(1, "a")], k=-1)
    with pytest.raises(TypeError, match="k must be an int"):
        select_top_k([(1, "a")], k=1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ObjectiveConfig is None"):
        select_best([({"a": 1}, "a")])


def test_the_best_weighted_sum() -> None:
    """Weights, minimized objectives, and what a missing one counts."""
    scored = [({"q": 1.0, "cost": 5.0}, "a"), ({"q": 0.8, "cost": 1.0}, "b"), ({"q": 9.0}, "c")]
    config = ObjectiveConfig(mode="weighted", weights={"q": 1, "cost": 0.1}, minimize=frozenset({"cost"}))
    assert select_top_k(scored, config, 3) == [1, 0, 2]
    lenient = ObjectiveConfig(mode="weighted", weights={"q": 1, "cost": 0.1}, missing_value=0.0)
    assert select_best(scored, lenient) == 2


def test_the_best_of_a_front() -> None:
    """A dominated one comes after the front, however large its weighted sum is."""
    scored = [({"a": 1, "b": 1}, 0), ({"a": 5, "b": 0}, 1), ({"a": 0, "b": 2}, 2), ({"a": 4, "b": 0}, 3)]
    by_sum = ObjectiveConfig(mode="pareto")
    assert select_top_k(scored, by_sum, 4) == [1, 0, 2, 3]
    by_name = ObjectiveConfig(mode="pareto", tie_break="lexicographic", pareto_metrics=("b", "a"))
    assert select_top_k(scored, by_name, 4) == [2, 0, 1, 3]
    by_weight = ObjectiveConfig(mode="pareto", weights={"b": 1.0})
    assert select_best(scored, by_weight) == 2


def test_lots_repeat_by_seed_and_differ_between_seeds() -> None:
    """`random_seeded` gives the same front member for a seed, and several over seeds; never a dominated one."""
    scored = [({"a": place, "b": 9 - place}, place) for place in range(10)] + [({"a": 0, "b": 0}, 10)]
    drawn = [
        select_best(scored, ObjectiveConfig(mode="pareto", tie_break="random_seeded", seed=seed))
        for seed in (*range(20), *range(20))
    ]
    assert drawn[:20] == drawn[20:]
    assert len(set(drawn)) > 3
    assert 10 not in drawn


def test_a_missing_objective_counts_the_missing_value_in_fronts() -> None:
    """With a high missing value the incomplete score dominates."""
    scored = [({"a": 1, "b": 1}, 0), ({"a": 1}, 1)]
    assert select_best(scored, ObjectiveConfig(mode="pareto")) == 0
    assert select_best(scored, ObjectiveConfig(mode="pareto", missing_value=2.0)) == 1


def test_means_by_objective() -> None:
    """Each over the dicts that have it."""
    assert aggregate_score_dicts([{"a": 1, "b": 1}, {"a": 3}]) == {"a": 2.0, "b": 1.0}
    assert aggregate_score_dicts([]) == {}


@given(dicts=small_dicts.filter(len))
def test_the_first_choice_is_never_dominated(dicts: list[dict[str, float]]) -> None:
    """Whatever the tie-break."""
    for tie_break in ("weighted", "lexicographic", "random_seeded"):
        config = ObjectiveConfig(mode="pareto", tie_break=tie_break)
        best = select_best([(each, None) for each in dicts], config)
        assert not any(dominates(other, dicts[best]) for other in dicts)
        assert sorted(select_top_k([(each, None) for each in dicts], config, len(dicts))) == list(range(len(dicts)))
