"""Evidence that may be looked at again and again: bets on the mean of bounded numbers.

Who bets against a true mean does not get rich: whatever number of pairs a comparison stops at, and for whatever reason,
the wealth reaches 1/a with a probability of at most a (Ville, 1939). So a mean against which the wealth is large is
rejected, and those that are left are an interval that holds at all times (Waudby-Smith and Ramdas, "Estimating means
of bounded random variables by betting", 2024; the bets here are a fixed mixture of constant stakes, like their grid
of Kelly bets). The wealth does not depend on the order of the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

__all__ = ["Bets"]

_STAKES = (0.95, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05, 0.03, 0.015)
_LEVELS = 2048
_STEPS = 18


class Bets:
    """Bets on the mean of numbers between 0 and 1.

    Args:
        numbers: each with the same mean, given those before it.
    """

    def __init__(self, numbers: Sequence[float]) -> None:
        import numpy as np

        values = np.asarray(numbers, dtype=float)
        self._up = _counted(values)
        self._down = _counted(1 - values)

    def p_value(self, mean: float) -> float:
        """A p-value of this mean, two-sided, that holds at all times: the inverse of the larger wealth, twice."""
        wealth = max(_log_wealth(*self._up, mean), _log_wealth(*self._down, 1 - mean))
        return min(1.0, 2 * math.exp(-wealth)) if wealth < 700 else 0.0

    def interval(self, confidence: float) -> tuple[float, float]:
        """The means that are left."""
        needed = math.log(2 / (1 - confidence))
        return _least(*self._up, needed), 1 - _least(*self._down, needed)


def _counted(values: Any) -> tuple[Any, Any]:
    """The different values and how often each is there.

    Where they are many they are rounded down, which can only lessen the wealth.
    """
    import numpy as np

    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) > _LEVELS:
        distinct, counts = np.unique(np.floor(values * _LEVELS) / _LEVELS, return_counts=True)
    return distinct, counts


def _log_wealth(values: Any, counts: Any, mean: float) -> float:
    """The logarithm of what bets on more than `mean` have made of 1."""
    import numpy as np

    if mean <= 0:
        return math.inf if values.size and values[-1] > 0 else 0.0
    stakes = np.array(_STAKES)[:, None]
    each = np.log1p(stakes * (values / mean - 1)) @ counts if values.size else np.zeros(len(_STAKES))
    most = float(each.max())
    return most + math.log(float(np.exp(each - most).mean()))


def _least(values: Any, counts: Any, needed: float) -> float:
    """The least mean that is not rejected, from below; the wealth falls as the mean rises."""
    if not values.size:
        return 0.0
    low, high = 0.0, float(values @ counts / counts.sum())
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _log_wealth(values, counts, middle) >= needed else (low, middle)
    return low
