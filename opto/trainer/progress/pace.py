"""How long a run still takes, from how fast it went lately and from what it may use."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, pairwise
from statistics import median
from typing import NamedTuple

__all__ = ["Left", "Pace", "rate", "seconds_left"]

_SAMPLES = 24
_PARTS = 2 * _SAMPLES
"""Samples lie at least this part of the run apart, so that those that are kept tell of its last half."""


class Left(NamedTuple):
    """How long a run still takes, and which limit ends it then: "steps", "evaluations", "usd"..."""

    seconds: float
    by: str


def rate(samples: Sequence[tuple[float, float]]) -> float | None:
    """How fast an amount grows: the median of the slopes between all pairs of samples (the Theil-Sen estimator).

    Some steps that take far longer than the others, and amounts that grow in bursts, change it little.

    Args:
        samples: pairs (seconds, amount), in order of time.

    Returns:
        Amount a second; None where the samples do not show it growing.
    """
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for earlier, later in combinations(samples, 2)
        if later[0] > earlier[0]
    ]
    if not slopes:
        return None
    found = median(slopes)
    if found <= 0:  # mostly standstill: what it grew by on the whole
        found = (samples[-1][1] - samples[0][1]) / (samples[-1][0] - samples[0][0])
    return found if found > 0 else None


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
