"""How far a run is, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

__all__ = ["Status"]


@dataclass(frozen=True)
class Status:
    """How far a run is. None stands for what is not known, or is as it was.

    Attributes:
        step: how many steps are done.
        steps: how many there are to be.
        best: the best score, a number or one for each objective.
        interval: where the score that stands behind `best` is believed to be: its low and its high end.
        evaluations: how many were made.
        max_evaluations: how many may be made.
        usd: dollars spent.
        max_usd: dollars that may be spent.
        tokens: tokens of prompts and answers.
        max_tokens: tokens that may be used.
        calls: model calls.
        max_calls: model calls that may be made.
        candidates: how many were made so far.
        candidates_in_flight: how many are being proposed or judged now.
        rollouts_in_flight: how many rollouts are under way now.
        event: the last thing that happened, in words.
    """

    step: int | None = None
    steps: int | None = None
    best: float | Mapping[str, float] | None = None
    interval: tuple[float, float] | None = None
    evaluations: int | None = None
    max_evaluations: int | None = None
    usd: float | None = None
    max_usd: float | None = None
    tokens: int | None = None
    max_tokens: int | None = None
    calls: int | None = None
    max_calls: int | None = None
    candidates: int | None = None
    candidates_in_flight: int | None = None
    rollouts_in_flight: int | None = None
    event: str | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Status:
        """The status that a "training" event tells of.

        Its keys are the names of the attributes; others are left out.
        """
        return cls(**{name: data[name] for name in _NAMES if name in data})


_NAMES = tuple(each.name for each in fields(Status))
