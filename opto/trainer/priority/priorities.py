"""Which candidates are explored next: the options of a priority search, and its score functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from heapq import heappop, heappush
from typing import Any

from opto.optimizers.options import checked_count
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.objectives import (
    ObjectiveConfig,
    Score,
    apply_minimize,
    score_dict_to_scalar,
    select_best,
    weighted_scalarize,
)
from opto.trainer.priority.leading import leads
from opto.trainer.priority.memories import HeapMemory, ParetoHeapMemory

__all__ = ["SCORE_FUNCTIONS", "Memories", "SearchParameters", "comparable", "scalar", "standing", "verdict"]

SCORE_FUNCTIONS = ("mean", "ucb", "lcb")

_CHALLENGERS = 3
"""How many of the candidates with higher means than the best one may take its place."""


@dataclass(frozen=True)
class SearchParameters:
    """The options of a priority search, checked.

    Attributes:
        num_candidates: how many candidates are explored in an iteration.
        num_proposals: how many new ones each minibatch of each of them gives.
        validate_exploration_candidates: whether the explored candidates are judged again, besides the new ones.
        use_best_candidate_to_explore: whether the best candidate is always explored.
        score_function: what the priority is: "mean", the mean score; "ucb" and "lcb", the mean score plus or less
            `ucb_exploration_constant * range * sqrt(log(all rollouts) / own rollouts)` (Auer et al. 2002).
        score_range: the lowest and the highest score; their difference is that range, 1 where it is not finite.
        ucb_exploration_constant: see there.
        long_term_memory_size: how many candidates are kept for good; None for all.
        short_term_memory_size: how many are kept between two merges; None for all.
        memory_update_frequency: 0 for a long-term memory only, None for a short-term memory only; any other number of
            iterations for both: what is new stays in the short-term memory, which is explored, and goes into the
            long-term memory every so many iterations, when this one is explored.
        decouple_optimizers: whether each candidate has a state of the optimizer of its own, that of its parent at its
            birth; otherwise they share one.
        objective_config: how dicts of scores are compared.

    Raises:
        TypeError: an option of the wrong type.
        ValueError: one out of its range.
    """

    num_candidates: int = 10
    num_proposals: int = 1
    validate_exploration_candidates: bool = True
    use_best_candidate_to_explore: bool = True
    score_function: str = "mean"
    score_range: tuple[float, float] | None = None
    ucb_exploration_constant: float = 1.0
    long_term_memory_size: int | None = None
    short_term_memory_size: int | None = None
    memory_update_frequency: int | None = 0
    decouple_optimizers: bool = True
    objective_config: ObjectiveConfig | None = None

    def __post_init__(self) -> None:
        checked_count("num_candidates", self.num_candidates)
        checked_count("num_proposals", self.num_proposals)
        for name, least in (
            ("long_term_memory_size", 1),
            ("short_term_memory_size", 1),
            ("memory_update_frequency", 0),
        ):
            if getattr(self, name) is not None:
                checked_count(name, getattr(self, name), least=least)
        if self.score_function not in SCORE_FUNCTIONS:
            known = ", ".join(map(repr, SCORE_FUNCTIONS))
            raise ValueError(f"score_function must be one of {known}, got {self.score_function!r}.")
        constant = self.ucb_exploration_constant
        if isinstance(constant, bool) or not isinstance(constant, (int, float)) or not 0 <= constant < math.inf:
            raise ValueError(f"ucb_exploration_constant must be a number >= 0, got {constant!r}.")
        if self.objective_config is not None and not isinstance(self.objective_config, ObjectiveConfig):
            raise TypeError(f"objective_config must be an ObjectiveConfig or None, got {self.objective_config!r}.")

    @classmethod
    def names(cls) -> list[str]:
        """The names of the options."""
        return [each.name for each in fields(cls)]

    @classmethod
    def among(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Those of some options that are such ones."""
        return {name: options[name] for name in cls.names() if name in options}

    def priority(self, candidate: ModuleCandidate, all_rollouts: int) -> float:
        """How urgent it is to explore a candidate; infinity for one that has no score yet.

        Args:
            candidate: its `rollouts` count.
            all_rollouts: how many all candidates have, or had when bounds were last made.
        """
        mean = scalar(standing(candidate), self.objective_config)
        if mean is None:
            return math.inf
        if self.score_function == "mean":
            return mean
        own = max(1, candidate.num_rollouts)
        margin = self.ucb_exploration_constant * self._width() * math.sqrt(math.log(max(own, all_rollouts, 1)) / own)
        return mean + margin if self.score_function == "ucb" else mean - margin

    def _width(self) -> float:
        low, high = (0.0, 1.0) if self.score_range is None else self.score_range
        return high - low if math.isfinite(high - low) else 1.0


class Memories:
    """The short-term and the long-term memory of a search.

    Args:
        parameters: says how large they are, and when one goes into the other.
        processing_fun: see `HeapMemory`.
    """

    def __init__(self, parameters: SearchParameters, processing_fun: Callable[[Any], Any]) -> None:
        self._every = parameters.memory_update_frequency
        config = parameters.objective_config

        def memory(size: int | None) -> HeapMemory:
            if config is not None and config.mode == "pareto":
                return ParetoHeapMemory(size, processing_fun, objective_config=config)
            return HeapMemory(size, processing_fun)

        self._config = config
        self._ranking: list[tuple[float, ModuleCandidate, int]] = []  # a heap; some of it is out of date
        self.long_term = memory(parameters.long_term_memory_size)
        self.short_term = memory(parameters.short_term_memory_size)

    def current(self, iteration: int) -> HeapMemory:
        """The memory that is filled, and explored, in an iteration."""
        if self._every is None:
            return self.short_term
        return self.long_term if self._every == 0 or iteration % self._every == 0 else self.short_term

    def merge(self, iteration: int) -> None:
        """Move what is new into the long-term memory, if it is the time."""
        if self.current(iteration) is self.long_term and self.short_term:
            self.long_term.append(self.short_term)
            self.short_term.reset()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_ranking": []}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.rank(self.candidates())

    @property
    def all(self) -> tuple[HeapMemory, HeapMemory]:
        """Both, the long-term memory first."""
        return self.long_term, self.short_term

    def candidates(self) -> list[ModuleCandidate]:
        """All that are in either of them."""
        return [candidate for memory in self.all for _, candidate in memory]

    def contents(self) -> tuple[list[Any], list[Any]]:
        """What they hold, to be put back by `put_back`."""
        return list(self.long_term.memory), list(self.short_term.memory)

    def put_back(self, contents: tuple[list[Any], list[Any]]) -> None:
        """Hold what they held when `contents` was called."""
        self.long_term.memory, self.short_term.memory = list(contents[0]), list(contents[1])

    def rank(self, candidates: Iterable[ModuleCandidate]) -> None:
        """Note that the scores of candidates changed."""
        for each in candidates:
            score = scalar(standing(each), self._config)
            if score is not None:
                heappush(self._ranking, (-score, each, each.num_rollouts))

    def best(self, incumbent: ModuleCandidate, split: str) -> ModuleCandidate | None:
        """The candidate with the best scores, of equal ones the oldest; None where none has any.

        Args:
            incumbent: was the best so far. While it is here, one with far fewer rollouts must be clearly better, see
                `leads`.
            split: of the data, on which candidates are compared.
        """
        if self._config is not None and self._config.mode == "pareto":
            known = [(standing(each), each) for each in sorted(self.candidates())]
            scored = [(score, each) for score, each in known if score is not None]
            return scored[select_best(scored, self._config)][1] if scored else None
        stays = bool(incumbent.rollouts) and self._hold(incumbent)
        ahead = self._first(_CHALLENGERS, incumbent if stays else None)
        if not stays:
            return ahead[0] if ahead else None
        while leading := next((place for place, each in enumerate(ahead) if leads(each, incumbent, split)), -1) + 1:
            incumbent, ahead = ahead[leading - 1], ahead[: leading - 1]
        return incumbent

    def _first(self, count: int, before: ModuleCandidate | None) -> list[ModuleCandidate]:
        """So many candidates with the highest means, the best first; only those that stand before a given one."""
        found: list[tuple[float, ModuleCandidate, int]] = []
        while self._ranking and len(found) < count:
            entry = heappop(self._ranking)
            _, candidate, rollouts = entry
            if candidate.num_rollouts != rollouts or not self._hold(candidate):
                continue
            if found and found[-1][1] is candidate:  # it was ranked twice
                continue
            found.append(entry)
            if candidate is before:
                break
        for entry in found:
            heappush(self._ranking, entry)
        return [candidate for _, candidate, _ in found if candidate is not before]

    def _hold(self, candidate: ModuleCandidate) -> bool:
        return any(candidate in memory for memory in self.all)


def standing(candidate: ModuleCandidate) -> Score | None:
    """How good a candidate proved to be: its mean score by objective, or its mean score; None without rollouts."""
    by_objective = candidate.mean_score_dict()
    if by_objective is not None:
        return by_objective
    return candidate.mean_score() if candidate.rollouts else None


def scalar(score: Score | None, config: ObjectiveConfig | None) -> float | None:
    """The number of a score, larger being better: of a dict the weighted sum, unless `config` is for numbers."""
    if score is None or isinstance(score, (int, float)):
        return score
    if config is None:
        return score.get("score")
    if config.mode == "scalar":
        return score_dict_to_scalar(score, config)
    return weighted_scalarize(apply_minimize(score, config.minimize), config.weights, config.missing_value)


def verdict(candidate: ModuleCandidate, config: ObjectiveConfig | None) -> str:
    """How good a candidate proved to be, in words."""
    score = scalar(standing(candidate), config)
    return "not judged" if score is None else f"{score:.4g} on {candidate.num_rollouts} rollouts"


def comparable(config: ObjectiveConfig | None, lowest: float) -> ObjectiveConfig | None:
    """The configuration for tables of scores: numbers are made of dicts as `scalar` does, and are finite."""
    if config is None:
        return None
    missing = config.missing_value if math.isfinite(config.missing_value) else lowest
    how = config.scalarize_dict if config.mode == "scalar" else "weighted"
    return replace(config, scalarize_dict=how, missing_value=missing)
