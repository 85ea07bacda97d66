"""Bandit rules: which arm to play next, given the scores that each has had. Scores lie between 0 and 1."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from opto.optimizers.scores import Tally

__all__ = ["RULES", "Rule", "thompson", "ucb1"]

Rule: TypeAlias = "Callable[[Sequence[Tally], random.Random], int]"
"""Takes the tally of each arm and a generator, and returns the number of the arm to play."""


def ucb1(arms: Sequence[Tally], draw: random.Random) -> int:
    """The arm with the highest upper confidence bound; unplayed ones first, in random order.

    UCB1 of "Finite-time Analysis of the Multiarmed Bandit Problem" (Auer, Cesa-Bianchi, Fischer; Machine Learning 47,
    2002): the mean plus `sqrt(2 ln N / n)`.
    """
    unplayed = _unplayed(arms)
    if unplayed:
        return draw.choice(unplayed)
    logarithm = 2 * math.log(sum(arm.count for arm in arms))
    return _highest([arm.mean + math.sqrt(logarithm / arm.count) for arm in arms], draw)


def thompson(arms: Sequence[Tally], draw: random.Random) -> int:
    """The arm with the highest mean drawn from what is believed of each (Thompson, Biometrika 25, 1933).

    The belief is a beta distribution that starts uniform; a score s counts as s successes and 1 - s failures. Unplayed
    arms come first, in random order: where nearly every score is high, the draws alone may leave one out for long.
    """
    unplayed = _unplayed(arms)
    if unplayed:
        return draw.choice(unplayed)
    beliefs = [(1 + arm.count * arm.mean, 1 + arm.count * (1 - arm.mean)) for arm in arms]
    return _highest([draw.betavariate(max(wins, 1e-9), max(losses, 1e-9)) for wins, losses in beliefs], draw)


RULES: Mapping[str, Rule] = MappingProxyType({"ucb1": ucb1, "thompson": thompson})


def _unplayed(arms: Sequence[Tally]) -> list[int]:
    return [number for number, arm in enumerate(arms) if not arm.count]


def _highest(indices: Sequence[float], draw: random.Random) -> int:
    top = max(indices)
    return draw.choice([number for number, index in enumerate(indices) if index == top])
