"""Successive halving: many entrants on few items, the better part of them on more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opto.optimizers.scores import Tally, clearly_better

__all__ = ["Tournament"]


@dataclass
class Tournament:
    """Entrant 0 is what is in place; the others compete to replace it.

    "Non-stochastic Best Arm Identification and Hyperparameter Optimization" (Jamieson and Talwalkar, arXiv 1502.07943):
    in each rung every entrant left is evaluated, then the best part `1 / eta` of the challengers goes on, to a rung
    with `eta` times as many items. When one is left it meets entrant 0 in a last rung. Entrant 0 is evaluated in every
    rung, on the same items.

    Args:
        entrants: how many there are, with entrant 0.
        eta: the part that goes on is `1 / eta`.

    Attributes:
        rung: the number of the present rung.
        waiting: which entrants are still to be evaluated in it, in order.
        left: the challengers still in the competition.
        over: whether the last rung is done.
    """

    entrants: int
    eta: int = 2
    rung: int = 0
    left: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    tallies: list[Tally] = field(default_factory=list)
    series: list[list[float] | None] = field(default_factory=list)
    over: bool = False

    def __post_init__(self) -> None:
        if not self.tallies:
            self.left = list(range(1, self.entrants))
            self.waiting = list(range(self.entrants))
            self.tallies = [Tally() for _ in range(self.entrants)]
            self.series = [[] for _ in range(self.entrants)]
            self.over = not self.left

    def items(self, first: int) -> int:
        """How many items an entrant is evaluated on in the present rung, if there were `first` in the first rung."""
        return int(first * self.eta**self.rung)

    def record(self, entrant: int, rewards: Sequence[float], *, paired: bool, items: int | None = None) -> None:
        """Take an entrant's rewards in this rung.

        Args:
            entrant: its number.
            rewards: between 0 and 1.
            paired: whether all entrants of the rung have rewards of the same items, in the same order.
            items: of how many items a single reward is the mean. What is then unknown, their spread, is taken to be
                the greatest possible.
        """
        self.waiting.remove(entrant)
        tally, series = self.tallies[entrant], self.series[entrant]
        if items is not None and len(rewards) == 1 and items > 1:
            mean = rewards[0]
            for reward in _extremes(mean, items):
                tally.add(reward)
            self.series[entrant] = None
        else:
            for reward in rewards:
                tally.add(reward)
            self.series[entrant] = [*series, *rewards] if paired and series is not None else None
        if not self.waiting:
            self._halve()

    def stop(self) -> None:
        """End the competition with what is known."""
        self.over, self.waiting = True, []

    def winner(self, *, confidence: float, least: int) -> int:
        """The best challenger left if it is clearly better than entrant 0 (`clearly_better`), else 0."""
        known = [entrant for entrant in self.left if self.tallies[entrant].count]
        if not known:
            return 0
        best = max(known, key=lambda entrant: self.tallies[entrant].mean)
        ours, theirs = self.series[best], self.series[0]
        paired = ours is not None and theirs is not None and len(ours) == len(theirs)
        better = clearly_better(
            ours if paired and ours is not None else self.tallies[best],
            theirs if paired and theirs is not None else self.tallies[0],
            width=1.0,
            confidence=confidence,
            rivals=self.entrants - 1,
            least=least,
        )
        return best if better else 0

    def _halve(self) -> None:
        if len(self.left) == 1:
            self.stop()
            return
        ranked = sorted(self.left, key=lambda entrant: -self.tallies[entrant].mean)
        self.left = sorted(ranked[: math.ceil(len(ranked) / self.eta)])
        self.rung += 1
        self.waiting = [0, *self.left]

    def state(self) -> dict[str, Any]:
        """Plain data to make the same tournament from."""
        tallies = [[tally.count, tally.mean, tally.squares] for tally in self.tallies]
        names = ("entrants", "eta", "rung", "left", "waiting", "over")
        series = [None if each is None else list(each) for each in self.series]
        plain = {name: getattr(self, name) for name in names}
        return {**plain, "left": list(self.left), "waiting": list(self.waiting), "tallies": tallies, "series": series}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Tournament:
        """The tournament of a `state`."""
        tallies = [Tally(int(count), float(mean), float(squares)) for count, mean, squares in state["tallies"]]
        lists = {name: list(state[name]) for name in ("left", "waiting")}
        lists["series"] = [None if each is None else list(map(float, each)) for each in state["series"]]
        entrants = range(int(state["entrants"]))
        if not len(tallies) == len(lists["series"]) == len(entrants) or state["eta"] < 2 or state["rung"] < 0:
            raise ValueError("state is of no tournament: its numbers do not go together.")
        if any(each not in entrants for name in ("left", "waiting") for each in lists[name]):
            raise ValueError("state is of no tournament: it names entrants that it has not.")
        if bool(lists["waiting"]) == bool(state["over"]):
            raise ValueError("state is of no tournament: it is over when nobody waits.")
        return cls(**{**state, **lists, "tallies": tallies})


def _extremes(mean: float, count: int) -> list[float]:
    """`count` rewards with this mean and the greatest spread that rewards between 0 and 1 can have."""
    whole = math.floor(mean * count)
    rest = mean * count - whole
    return [1.0] * whole + ([rest] if whole < count else []) + [0.0] * (count - whole - 1)
