"""Scores of one objective or of several: what they look like, and how the best of some scored things is picked.

A score is a number, or a dict of a number for each objective; larger is better, but for those named in `minimize`.
`ObjectiveConfig` says how dicts are compared: by one of their numbers, by a weighted sum, or by Pareto dominance.
"""

from __future__ import annotations

import math
import numbers
import random
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import ge
from typing import Any, TypeAlias

__all__ = [
    "ObjectiveConfig",
    "Score",
    "aggregate_score_dicts",
    "apply_minimize",
    "dominates",
    "finite_number",
    "normalize_score",
    "number_of",
    "pareto_rank",
    "score_dict_to_scalar",
    "select_best",
    "select_top_k",
    "to_scalar_score",
    "to_score_dict",
    "weighted_scalarize",
]

Score: TypeAlias = "float | Mapping[str, float]"
"""A number, or a number for each objective."""

_LARGEST = 1e100
_MODES = ("scalar", "weighted", "pareto")
_TIE_BREAKS = ("weighted", "lexicographic", "random_seeded")
_SCALARIZATIONS = ("score", "mean", "weighted")


@dataclass(frozen=True)
class ObjectiveConfig:
    """How scores are compared. It cannot be changed once it is made.

    Attributes:
        mode: "scalar" makes a number of each score by `scalarize_dict`; "weighted" compares weighted sums; "pareto"
            compares by dominance, and ties by `tie_break`.
        weights: objective -> weight for weighted sums; {} weighs all alike.
        minimize: the objectives of which less is better.
        missing_value: what an objective counts that a score lacks; it counts as it is, minimized or not.
        pareto_metrics: the objectives that dominance is about; None for all.
        tie_break: among scores of one front: "weighted" by weighted sum, "lexicographic" by one objective after the
            other (in the order of `pareto_metrics`, else by name), "random_seeded" by lot.
        seed: of that lot.
        scalarize_dict: the number of a dict: "score" takes what it has under `score_key`, "mean" the mean, "weighted"
            the weighted sum.
        score_key: see there.

    Raises:
        ValueError: an option is none of these, a weight is negative or not finite, `pareto_metrics` is empty.
        TypeError: an argument of the wrong type.
    """

    mode: str = "scalar"
    weights: Mapping[str, float] = field(default_factory=dict, hash=False)
    minimize: frozenset[str] = frozenset()
    missing_value: float = -math.inf
    pareto_metrics: tuple[str, ...] | None = None
    tie_break: str = "weighted"
    seed: int = 0
    scalarize_dict: str = "score"
    score_key: str = "score"

    def __post_init__(self) -> None:
        for name, known in (("mode", _MODES), ("tie_break", _TIE_BREAKS), ("scalarize_dict", _SCALARIZATIONS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {getattr(self, name)!r}.")
        if not (isinstance(self.score_key, str) and self.score_key):
            raise ValueError(f"score_key must be a text that is not empty, got {self.score_key!r}.")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise TypeError(f"seed must be an int, got {self.seed!r}.")
        missing = number_of(self.missing_value)
        if missing is None or math.isnan(missing):
            raise ValueError(f"missing_value must be a number that is not NaN, got {self.missing_value!r}.")
        object.__setattr__(self, "missing_value", missing)
        object.__setattr__(self, "weights", _checked_weights(self.weights))
        object.__setattr__(self, "minimize", frozenset(_names("minimize", self.minimize)))
        if self.pareto_metrics is not None:
            metrics = tuple(_names("pareto_metrics", self.pareto_metrics))
            if not metrics:
                raise ValueError("pareto_metrics must be non-empty, or None for all metrics, got ().")
            object.__setattr__(self, "pareto_metrics", metrics)


def to_score_dict(score: Any) -> dict[str, float]:
    """A score as a dict of floats: a number or bool becomes `{"score": float}`.

    Raises:
        ValueError: an empty dict, or a number that is not finite, or beyond 1e100.
        TypeError: neither a number nor a dict of numbers.
    """
    if isinstance(score, Mapping):
        if not score:
            raise ValueError("score must not be empty, got {}: give a number for each objective.")
        return {_checked_name(name): _score(f"score[{name!r}]", value) for name, value in score.items()}
    return {"score": _score("score", score)}


normalize_score = to_score_dict


def apply_minimize(score_dict: Mapping[str, float], minimize: Collection[str]) -> dict[str, float]:
    """The scores with those of the named objectives negated, so that larger is better in all."""
    return {name: -value if name in minimize else value for name, value in score_dict.items()}


def weighted_scalarize(
    score_dict: Mapping[str, float], weights: Mapping[str, float], missing_value: float = -math.inf
) -> float:
    """The weighted sum of scores.

    Args:
        score_dict: objective -> score.
        weights: objective -> weight; an objective without one does not count. Empty: each counts 1.0.
        missing_value: the score of an objective that has a weight and no score.
    """
    if not weights:
        return math.fsum(score_dict.values())
    terms = [weight * score_dict.get(name, missing_value) for name, weight in weights.items() if weight]
    return math.fsum(terms) if all(map(math.isfinite, terms)) else sum(terms)


def dominates(a: Mapping[str, float], b: Mapping[str, float], metrics: Sequence[str] | None = None) -> bool:
    """Whether `a` is nowhere worse than `b`, and somewhere better (strict Pareto dominance; larger is better).

    Args:
        a: objective -> score.
        b: the same.
        metrics: the objectives to compare; None for all that either has. One that a score lacks counts -inf.
    """
    names = sorted({*a, *b}) if metrics is None else metrics
    ours, theirs = _vector(a, names, -math.inf), _vector(b, names, -math.inf)
    return ours != theirs and all(map(ge, ours, theirs))


def pareto_rank(score_dicts: Sequence[Mapping[str, float]], metrics: Sequence[str] | None = None) -> list[int]:
    """The number of the front that each item lies in: 0 for those that none dominates, 1 once these are gone...

    Items are taken in falling order, where none is dominated by a later one, and each goes to the first front with no
    member that dominates it, found by bisection (Zhang et al. 2015, "Efficient Non-dominated Sort").

    Args:
        score_dicts: objective -> score, larger is better.
        metrics: as in `dominates`.
    """
    return _ranks(score_dicts, metrics, -math.inf)


def score_dict_to_scalar(score_dict: Mapping[str, float], config: ObjectiveConfig) -> float:
    """The one number of a dict of scores, by `config.scalarize_dict`; larger is better.

    Raises:
        ValueError: it lacks `config.score_key`, or is empty.
    """
    if not score_dict:
        raise ValueError("score_dict must not be empty.")
    toward_more = apply_minimize(score_dict, config.minimize)
    if config.scalarize_dict == "weighted":
        return weighted_scalarize(toward_more, config.weights, config.missing_value)
    if config.scalarize_dict == "mean":
        return math.fsum(toward_more.values()) / len(toward_more)
    if config.score_key not in toward_more:
        raise ValueError(
            f"score_dict is missing key {config.score_key!r}, which score_key names; it has {sorted(toward_more)}. "
            "Name one of these, or choose scalarize_dict='mean' or 'weighted'."
        )
    return float(toward_more[config.score_key])


def to_scalar_score(score: Any, config: ObjectiveConfig | None = None) -> float:
    """The one number of a score: a number itself, a dict by `score_dict_to_scalar`.

    Raises:
        ValueError: a dict, and no configuration that says how to make a number of it; a number that is NaN.
        TypeError: neither a number nor a dict of numbers.
    """
    if isinstance(score, Mapping):
        if config is None:
            raise ValueError(
                f"score is a dict ({', '.join(map(str, score))}) but ObjectiveConfig is None: in training, "
                "objective_config=ObjectiveConfig(mode='weighted') makes a number of it, for example."
            )
        return score_dict_to_scalar(to_score_dict(score), config)
    number = number_of(score)
    if number is None:
        raise TypeError(f"score must be a number or a dict of numbers, got {type(score).__name__}: {score!r}.")
    if math.isnan(number):
        raise ValueError("score must be finite, got nan.")
    return number


def select_best(candidates: Sequence[tuple[Any, Any]], config: ObjectiveConfig | None = None) -> int:
    """The position of the best of some pairs `(score, payload)`; of equal ones the first.

    Raises:
        ValueError: there are none.
    """
    if not candidates:
        raise ValueError("candidates must hold at least one pair (score, payload), got none.")
    return _best_first(candidates, config)[0]


def select_top_k(candidates: Sequence[tuple[Any, Any]], config: ObjectiveConfig | None = None, k: int = 1) -> list[int]:
    """The positions of the `k` best of some pairs `(score, payload)`, the best first; all when there are fewer.

    Raises:
        ValueError: `k` is negative.
    """
    if isinstance(k, bool) or not isinstance(k, int):
        raise TypeError(f"k must be an int, got {k!r}.")
    if k < 0:
        raise ValueError(f"k must be >= 0, got {k}.")
    return _best_first(candidates, config)[:k]


def aggregate_score_dicts(score_dicts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each objective over the dicts that have it; {} for no dicts."""
    values: dict[str, list[float]] = {}
    for each in score_dicts:
        for name, value in each.items():
            values.setdefault(name, []).append(float(value))
    return {name: math.fsum(found) / len(found) for name, found in values.items()}


def _best_first(candidates: Sequence[tuple[Any, Any]], config: ObjectiveConfig | None) -> list[int]:
    if config is None or config.mode == "scalar":
        scalars = [to_scalar_score(score, config) for score, _ in candidates]
        return sorted(range(len(scalars)), key=lambda place: -scalars[place])
    dicts = [apply_minimize(to_score_dict(score), config.minimize) for score, _ in candidates]
    if config.mode == "weighted":
        sums = [weighted_scalarize(each, config.weights, config.missing_value) for each in dicts]
        return sorted(range(len(sums)), key=lambda place: -sums[place])
    ranks = _ranks(dicts, config.pareto_metrics, config.missing_value)
    ties = _tie_keys(dicts, config)
    return sorted(range(len(dicts)), key=lambda place: (ranks[place], ties[place]))


def _tie_keys(dicts: Sequence[Mapping[str, float]], config: ObjectiveConfig) -> Sequence[Any]:
    """What orders the members of a front; less is better."""
    if config.tie_break == "random_seeded":
        lots = list(range(len(dicts)))
        random.Random(config.seed).shuffle(lots)
        return lots
    if config.tie_break == "lexicographic":
        names = _all_names(dicts) if config.pareto_metrics is None else config.pareto_metrics
        return [[-value for value in _vector(each, names, config.missing_value)] for each in dicts]
    return [-weighted_scalarize(each, config.weights, config.missing_value) for each in dicts]


def _ranks(dicts: Sequence[Mapping[str, float]], metrics: Sequence[str] | None, missing: float) -> list[int]:
    names = _all_names(dicts) if metrics is None else metrics
    vectors = [_vector(each, names, missing) for each in dicts]
    fronts: list[list[tuple[float, ...]]] = []
    ranks = [0] * len(vectors)
    for place in sorted(range(len(vectors)), key=lambda place: vectors[place], reverse=True):
        vector = vectors[place]
        # If a front holds one that dominates, so does every front before it.
        rank = bisect_left(fronts, 1, key=partial(_not_beaten, vector))
        if rank == len(fronts):
            fronts.append([])
        fronts[rank].append(vector)
        ranks[place] = rank
    return ranks


def _not_beaten(vector: tuple[float, ...], front: list[tuple[float, ...]]) -> int:
    # With two objectives the last member of a front has the most of the second: if any beats the vector, it does.
    rivals = front[-1:] if len(vector) <= 2 else reversed(front)
    return not any(all(map(ge, other, vector)) and other != vector for other in rivals)


def _all_names(dicts: Iterable[Mapping[str, float]]) -> list[str]:
    return sorted(set().union(*dicts))


def _vector(score_dict: Mapping[str, float], names: Sequence[str], missing: float) -> tuple[float, ...]:
    return tuple([score_dict.get(name, missing) for name in names])


def number_of(value: Any) -> float | None:
    """A float of anything that is one number, also of numpy's and PyTorch's; None of anything else."""
    single = isinstance(value, numbers.Real) or (hasattr(value, "item") and getattr(value, "shape", None) == ())
    if not single or isinstance(value, (str, bytes)):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def finite_number(what: str, value: Any) -> float:
    """A number as a float.

    Args:
        what: what it is, for the message.
        value: a number or bool, also of numpy's or PyTorch's.

    Raises:
        TypeError: it is none.
        ValueError: it is not finite.
    """
    number = number_of(value)
    if number is None:
        wanted = "a number or a dict of numbers" if what == "score" else "a number"
        raise TypeError(f"{what} must be {wanted}, got {type(value).__name__}: {value!r}.")
    if not math.isfinite(number):
        raise ValueError(f"{what} must be finite, got {number!r}.")
    return number


def _score(what: str, value: Any) -> float:
    number = finite_number(what, value)
    if abs(number) > _LARGEST:
        raise ValueError(
            f"{what} must lie between -{_LARGEST:g} and {_LARGEST:g}, got {number!r}: sums and squares of larger ones "
            "are no numbers. Where it stands for a failure, give the lowest score that a response can have."
        )
    return number


def _checked_name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"an objective must be named by a text, got {type(name).__name__}: {name!r}.")
    return name


def _checked_weights(weights: Any) -> dict[str, float]:
    if not isinstance(weights, Mapping):
        raise TypeError(f"weights must be a dict of objective to weight, got {weights!r}.")
    checked = {}
    for name, weight in weights.items():
        number = finite_number(f"weights[{name!r}]", weight)
        if number < 0:
            raise ValueError(
                f"weights must be non-negative, got {name!r}: {weight!r}. Name an objective in minimize= to want less."
            )
        checked[_checked_name(name)] = number
    return checked


def _names(argument: str, given: Any) -> list[str]:
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise TypeError(f"{argument} must be a collection of names of objectives, got {given!r}.")
    return [_checked_name(name) for name in given]
