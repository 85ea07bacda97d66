"""The test of paired differences by flipping their signs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

__all__ = ["sign_flip_p_value"]

_ENUMERATED = 14
_FLIPPED = 64
_DRAWS = 9999


def sign_flip_p_value(differences: Sequence[float], seed: int = 0) -> float:
    """How likely a mean at least as far from zero is, if each difference could as well have had the other sign.

    Fisher's randomization test (1935), two-sided. For scores that are right or wrong it is McNemar's exact test. Zeros
    say nothing. All flips are counted where the sizes are equal or few; else flips are drawn, of the 64 largest
    differences, and the sum of the others, each of which weighs little, is taken to be normal.

    Args:
        differences: one for each pair.
        seed: of the draw. As the flips drawn count with the one observed, the test keeps its level with any.
    """
    import numpy as np

    sizes = np.abs(np.asarray(differences, dtype=float))
    sizes = np.sort(sizes[sizes > 0])[::-1]
    total = abs(math.fsum(differences))
    slack = 1e-9 * float(sizes.sum())
    if total <= slack:
        return 1.0
    if sizes[0] - sizes[-1] <= 1e-9 * sizes[0]:
        return min(1.0, 2 * _binomial_tail(len(sizes), round((len(sizes) + total / sizes[0]) / 2)))
    if len(sizes) <= _ENUMERATED:
        return min(1.0, 2 * float(np.mean(_all_sums(sizes) >= total - slack)))
    return min(1.0, 2 * _drawn_tail(sizes, total - slack, seed))


def _binomial_tail(count: int, heads: int) -> float:
    """The probability of at least so many heads (more than half) among throws of a coin."""
    here = math.lgamma(count + 1) - math.lgamma(heads + 1) - math.lgamma(count - heads + 1) - count * math.log(2)
    tail, term = 0.0, math.exp(here)
    for each in range(heads, count + 1):
        tail += term
        term *= (count - each) / (each + 1)
        if term < 1e-17 * tail:
            break
    return tail


def _all_sums(sizes: Any) -> Any:
    import numpy as np

    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums + size, sums - size])
    return sums


def _drawn_tail(sizes: Any, total: float, seed: int) -> float:
    """The share of sums at least as large as this one; what is observed is one of them."""
    import numpy as np

    flips = np.random.default_rng(seed).integers(0, 2, (_DRAWS, min(_FLIPPED, len(sizes))), dtype=np.int8)
    sums = (2.0 * flips - 1) @ sizes[:_FLIPPED]
    spread = math.sqrt(2 * float((sizes[_FLIPPED:] ** 2).sum()))
    if spread:
        reaching = math.fsum(math.erfc(each) for each in ((total - sums) / spread).tolist()) / 2
    else:
        reaching = float(np.sum(sums >= total))
    return (1 + reaching) / (1 + _DRAWS)
