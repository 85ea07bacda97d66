"""Attempts at one output: what was tried, what came of it, and what it was made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Attempt", "Decoded"]


@dataclass(frozen=True)
class Attempt:
    """A response and what the verifier said of it.

    Attributes:
        number: the place among all attempts, from 0.
        round: 0 for a candidate that the program made, n for one of the n-th round of refinement.
        parent: the number of the attempt that it refines; None for a candidate of the program.
        response: what it is about, plain data; None where there is a failure.
        score: what the verifier gave, a number or a dict of numbers; None where there is a failure.
        feedback: what the verifier said; of a failure, the error in words; "" for nothing.
        reason: why it was made, in words.
        value: the score as one number, larger is better; -inf for a failure.
        failure: None; "error", "timeout" or "worker", as in `opto.trainer.rollouts.Evaluation`.
    """

    number: int
    round: int
    parent: int | None
    response: Any
    score: float | Mapping[str, float] | None
    feedback: Any
    reason: str
    value: float = -math.inf
    failure: str | None = None


@dataclass(frozen=True)
class Decoded:
    """What a search over one output came to.

    Attributes:
        attempts: all attempts, in the order of their numbers.
        stopped: why it ended: "target" (a score was good enough), "rounds" (all were made), "budget" (a budget refused
            a model call).
    """

    attempts: tuple[Attempt, ...]
    stopped: str

    @property
    def best(self) -> Attempt | None:
        """The attempt with the highest value, of equal ones the first; None where none has a score."""
        return max((each for each in self.attempts if each.failure is None), key=lambda each: each.value, default=None)

    @property
    def response(self) -> Any:
        """The response of the best attempt; None where there is none."""
        return None if self.best is None else self.best.response

    @property
    def evaluations(self) -> int:
        """How often the verifier was asked, or a known result taken in its place; failures count."""
        return len(self.attempts)

    def lineage(self, attempt: Attempt | None = None) -> list[Attempt]:
        """An attempt, by default the best, and all that it was refined from, the candidate of the program first."""
        found: list[Attempt] = []
        each = self.best if attempt is None else attempt
        while each is not None:
            found.append(each)
            each = None if each.parent is None else self.attempts[each.parent]
        return found[::-1]
