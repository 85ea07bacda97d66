"""What a training run is to do: how far it goes, on which examples, with which scores; and how much that is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from opto.optimizers.options import checked_count
from opto.trainer.objectives import ObjectiveConfig, Score

__all__ = ["Plan", "Workload"]

_LEAKS = ("report", "reject", "ignore")


@dataclass(frozen=True)
class Plan:
    """The options of a run, checked.

    Attributes:
        num_steps: the most steps; None for no limit.
        num_epochs: how often the training examples are gone through; None for no limit. Where nothing at all limits
            the run, it is 1.
        max_evaluations: the most runs of the program on an example, those for feedback and those for scores together;
            no pass is begun that would take more. Those on held-out examples, at the end, come besides.
        target_score: the run ends when the best candidate has this mean score.
        patience: the run ends after so many steps without a better candidate.
        batch_size: how many examples each candidate is run on for feedback; all, where there are fewer.
        num_proposals: how many candidates each parent gets in a step.
        seed: of everything that is drawn.
        pinned: places of validation examples on which no accepted candidate may be worse than the first one.
        score_range: the lowest and the highest score, where known.
        failure_score: what a run that failed scores; None for the lowest of `score_range`, or 0.
        confidence: how sure it must be that a candidate is better than the best one, before it takes its place; from
            0.5 ("more likely than not") up to, but not including, 1.
        objective_config: how dicts of scores are compared; where its mode is not "scalar" and it says nothing else, the
            one number of a dict is its weighted sum.
        on_leak: what to do with a candidate that copies answers of training examples: "report", "reject" or "ignore".

    Raises:
        TypeError: an option of the wrong type.
        ValueError: one out of its range.
    """

    num_steps: int | None = None
    num_epochs: int | None = None
    max_evaluations: int | None = None
    target_score: float | None = None
    patience: int | None = None
    batch_size: int = 4
    num_proposals: int = 1
    seed: int = 0
    pinned: tuple[int, ...] = ()
    score_range: tuple[float, float] | None = None
    failure_score: float | None = None
    confidence: float = 0.5
    objective_config: ObjectiveConfig | None = None
    on_leak: str = "report"

    def __post_init__(self) -> None:
        for name, least in (("num_steps", 0), ("num_epochs", 0), ("max_evaluations", 0), ("patience", 1)):
            if getattr(self, name) is not None:
                checked_count(name, getattr(self, name), least=least)
        checked_count("batch_size", self.batch_size)
        checked_count("num_proposals", self.num_proposals)
        checked_count("seed", self.seed, least=None)
        object.__setattr__(self, "pinned", _places(self.pinned))
        for name in ("target_score", "failure_score"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _number(name, getattr(self, name)))
        if not 0.5 <= _number("confidence", self.confidence) < 1:
            raise ValueError(f"confidence must be >= 0.5 and < 1, got {self.confidence!r}.")
        if self.objective_config is not None and not isinstance(self.objective_config, ObjectiveConfig):
            raise TypeError(f"objective_config must be an ObjectiveConfig or None, got {self.objective_config!r}.")
        config = self.objective_config
        if config is not None and config.mode != "scalar" and config.scalarize_dict == "score":  # by default
            object.__setattr__(self, "objective_config", replace(config, scalarize_dict="weighted"))
        if self.on_leak not in _LEAKS:
            raise ValueError(f"on_leak must be one of {', '.join(map(repr, _LEAKS))}, got {self.on_leak!r}.")
        _check_range(self.score_range)

    @classmethod
    def names(cls) -> list[str]:
        """The names of the options."""
        return [each.name for each in fields(cls)]

    @property
    def limits(self) -> dict[str, float | None]:
        """What may end the run, by name."""
        names = ("num_steps", "num_epochs", "max_evaluations", "target_score", "patience")
        return {name: getattr(self, name) for name in names}

    @property
    def lowest(self) -> float:
        """What a run that failed scores."""
        if self.failure_score is not None:
            return self.failure_score
        low = 0.0 if self.score_range is None else self.score_range[0]
        return low if math.isfinite(low) else 0.0

    def in_range(self, score: Score) -> Score:
        """A score of the guide, as it is.

        Raises:
            ValueError: it lies outside of `score_range`.
        """
        known = self.score_range
        if known is not None and not isinstance(score, Mapping) and not known[0] <= score <= known[1]:
            raise ValueError(
                f"score_range must hold all scores of the guide: it is {known!r}, and the guide gave {score!r}."
            )
        return score

    @property
    def highest(self) -> float | None:
        """The highest score there can be; None where it is not known."""
        high = math.inf if self.score_range is None else self.score_range[1]
        return high if math.isfinite(high) else None

    @property
    def epochs(self) -> int | None:
        """`num_epochs`, or 1 where nothing limits the run."""
        limits = (self.num_steps, self.max_evaluations, self.target_score, self.patience)
        return 1 if self.num_epochs is None and all(each is None for each in limits) else self.num_epochs


@dataclass(frozen=True)
class Workload:
    """How much a run will do: evaluations and proposals of a step, from to, and evaluations before the first one."""

    evaluations: tuple[float, float]
    proposals: tuple[float, float]
    before: float


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value!r}.")
    return float(value)


def _places(places: Any) -> tuple[int, ...]:
    if isinstance(places, (str, bytes)) or not isinstance(places, Iterable):
        raise TypeError(f"pinned must be places of validation examples, whole numbers from 0, got {places!r}.")
    found = tuple(places)
    for each in found:
        checked_count("pinned", each, least=0)
    return found


def _check_range(score_range: Any) -> None:
    if score_range is None:
        return
    try:
        low, high = score_range
        good = low <= high
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(f"score_range must be (lowest, highest), got {score_range!r}.")
