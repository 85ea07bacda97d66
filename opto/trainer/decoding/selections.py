"""Which of the attempts so far are refined next."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from opto.trainer.decoding.attempts import Attempt
from opto.trainer.objectives import finite_number

__all__ = ["Best", "Boltzmann", "Selection", "TopK", "as_selection"]


class Selection(Protocol):
    """Chooses attempts to refine.

    One method is all:

        class Latest:
            '''The last attempt that has a score.'''

            def choose(self, attempts, count, generator):
                return attempts[-1:]
    """

    def choose(self, attempts: Sequence[Attempt], count: int, generator: random.Random) -> Sequence[Attempt]:
        """Choose.

        Args:
            attempts: those so far that have a score, in the order of their numbers; at least one.
            count: how many refinements are to be made.
            generator: for choices by lot; made new for each round, from the seed.

        Returns:
            At least one of the attempts. If there are fewer than `count`, they are refined in turn.
        """


class Best:
    """The attempt with the highest value; of equal ones the latest, so that a search leaves a plateau."""

    def choose(self, attempts: Sequence[Attempt], count: int, generator: random.Random) -> Sequence[Attempt]:
        """The one attempt."""
        return [max(attempts, key=_rank)]


@dataclass(frozen=True)
class TopK:
    """The `k` attempts with the highest values, the best first; of equal ones the latest.

    Raises:
        ValueError: `k` is not an integer >= 1.
    """

    k: int

    def __post_init__(self) -> None:
        if isinstance(self.k, bool) or not isinstance(self.k, int) or self.k < 1:
            raise ValueError(f"k must be an integer >= 1, got {self.k!r}.")

    def choose(self, attempts: Sequence[Attempt], count: int, generator: random.Random) -> Sequence[Attempt]:
        """The attempts."""
        return heapq.nlargest(self.k, attempts, key=_rank)


@dataclass(frozen=True)
class Boltzmann:
    """Attempts by lot, each as likely as `exp(value / temperature)`; one may come more than once.

    Args:
        temperature: in the unit of the values: 0.1 makes an attempt that is 0.1 better e times as likely.

    Raises:
        ValueError: the temperature is not > 0.
    """

    temperature: float = 0.1

    def __post_init__(self) -> None:
        if finite_number("temperature", self.temperature) <= 0:
            raise ValueError(f"temperature must be > 0, got {self.temperature!r}: for the best alone, select Best().")

    def choose(self, attempts: Sequence[Attempt], count: int, generator: random.Random) -> Sequence[Attempt]:
        """As many attempts as there are refinements."""
        most = max(each.value for each in attempts)
        if math.isinf(most):
            return generator.choices([each for each in attempts if each.value == most], k=count)
        weights = [math.exp((each.value - most) / self.temperature) for each in attempts]
        return generator.choices(attempts, weights, k=count)


def as_selection(given: Any) -> Selection:
    """A selection, or the one that `"best"` stands for.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(given, str) and given == "best":
        return Best()
    if isinstance(given, type) or not callable(getattr(given, "choose", None)):
        raise TypeError(
            f"select must be 'best', TopK(k), Boltzmann(temperature) or an object with a method "
            f"choose(attempts, count, generator), got {given!r}."
        )
    chosen: Selection = given
    return chosen


def _rank(attempt: Attempt) -> tuple[float, int]:
    return attempt.value, attempt.number
