"""How long a run still takes, from how fast it went lately and from what it may use."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

__all__ = ["Left", "Pace", "rate", "seconds_left"]

_SAMPLES = 24
_PARTS = 2 * _SAMPLES
"""Samples lie at least this part of the run apart, so that those that are kept tell of its last half."""


_LONGEST = 5


class Left(NamedTuple):
    """How long a run still takes, and which limit ends it then: "steps", "evaluations", "usd"..."""

    seconds: float
    by: str


def rate(samples: Sequence[tuple[float, float]]) -> float | None:
    """How fast an amount grows: on the whole, but no stretch counts for more than five times what the others took.

    So one step of an hour, such as a night's sleep of the machine, changes little, and steps that take long again and
    again count in full.

    Args:
        samples: pairs (seconds, amount), in order of time.

    Returns:
        Amount a second; None where the samples do not show it growing.
    """
    if len(samples) < 2:
        return None
    ends = _ends_of_bursts(samples)
    stretches = [(later[0] - earlier[0], later[1] - earlier[1]) for earlier, later in pairwise(ends)]
    time, amount = (sum(each) for each in zip(*stretches, strict=True))
    if amount <= 0 or time <= 0:
        return None
    counted = 0.0
    for seconds, more in stretches:
        others = amount - more
        most = _LONGEST * more * (time - seconds) / others if others > 0 and more > 0 else seconds
        counted += min(seconds, most)
    return (amount / counted or None) if counted > 0 else None  # the least of numbers comes to nothing


def _ends_of_bursts(samples: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The samples without those that others follow at once: what comes in a burst was under way since the last one."""
    gaps = sorted(later[0] - earlier[0] for earlier, later in pairwise(samples))
    near = gaps[len(gaps) * 9 // 10] / 10  # not the longest, which may be that night
    kept = [each for each, later in pairwise(samples) if later[0] - each[0] > near]
    return [samples[0], *(each for each in kept if each is not samples[0]), samples[-1]]


def seconds_left(samples: Sequence[tuple[float, float]], limit: float, now: float) -> float | None:
    """When an amount reaches its limit, in seconds from now.

    What is under way counts as going on at the usual rate, for no more than one usual increase.

    Args:
        samples: pairs (seconds, amount), in order of time.
        limit: of the amount.
        now: in seconds, by the same clock.

    Returns:
        Seconds, 0 where the limit is reached; None where nobody can say.
    """
    if not samples:
        return None
    time, amount = samples[-1]
    if amount >= limit:
        return 0.0
    speed = rate(samples)
    if speed is None:
        return None
    increases = [later[1] - earlier[1] for earlier, later in pairwise(samples)]
    ahead = min((now - time) * speed, median(increases))
    return max(0.0, (limit - amount - ahead) / speed)


class Pace:
    """Keeps some samples of each amount, few enough to be looked at all the time.

    Args:
        began: when the run began, in seconds.
    """

    def __init__(self, began: float) -> None:
        self._began = began
        self._samples: dict[str, deque[tuple[float, float]]] = {}

    def take(self, now: float, amounts: Iterable[tuple[str, float | None]]) -> None:
        """Keep what has changed. An amount that is first heard of may be from a run that is gone on with."""
        for name, amount in amounts:
            if amount is None:
                continue
            samples = self._samples.setdefault(name, deque(maxlen=_SAMPLES))
            if samples and amount == samples[-1][1]:
                continue
            if len(samples) > 1 and now - samples[-2][0] < (now - self._began) / _PARTS:
                samples.pop()
            samples.append((now, amount))

    def left(self, now: float, limits: Mapping[str, float]) -> Left | None:
        """When the first of the limits is reached, None where nobody can say."""
        found = [
            Left(seconds, name)
            for name, limit in limits.items()
            if (seconds := seconds_left(tuple(self._samples.get(name, ())), limit, now)) is not None
        ]
        return min(found, default=None)
