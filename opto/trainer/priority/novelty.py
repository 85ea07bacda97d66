"""How far candidates lie from each other, and which are too near to be worth anything."""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from opto.optimizers.canonical import canonical
from opto.optimizers.problem import is_code
from opto.optimizers.text_features import hashed_ngrams
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.objectives import number_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["EpsilonNet", "ValueDistance"]

_MOST_VECTORS = 4_096  # 16 MB


class ValueDistance:
    """How different the values of two candidates are: from 0, equal, to 1, nothing in common.

    It is the mean over the parameters. Two numbers a and b differ by `|a - b| / (|a| + |b|)`; other values by one less
    the cosine between counts of words, pairs of words and runs of letters of their texts (`hashed_ngrams`), at most 1.
    Code differs by 1 as soon as more than comments and layout differ: one sign makes another program of it, and words
    say nothing of signs. No model is asked, so it is the same on every machine.
    """

    def __init__(self) -> None:
        self._vectors: dict[str, NDArray[np.float64]] = {}
        self._programs: dict[str, str] = {}

    def __call__(self, one: ModuleCandidate, other: ModuleCandidate) -> float:
        """The distance of two candidates for the same parameters."""
        ours, theirs = one.update_dict, other.update_dict
        if not ours:
            return 0.0
        codes = (is_code(each.py_name) for each in ours)
        return math.fsum(map(self._apart, ours.values(), theirs.values(), codes)) / len(ours)

    def _apart(self, one: Any, other: Any, code: bool) -> float:
        if one is other:
            return 0.0
        a, b = number_of(one), number_of(other)
        if a is not None and b is not None:
            if a == b:
                return 0.0
            apart = abs(a - b) / (abs(a) + abs(b))
            return apart if math.isfinite(apart) else 1.0
        mine, its = canonical(one), canonical(other)
        if mine == its:
            return 0.0
        if code and self._program(mine) != self._program(its):
            return 1.0
        return min(1.0, max(0.0, 1.0 - float(self.vector(mine) @ self.vector(its))))

    def vector(self, text: str) -> NDArray[np.float64]:
        """The counts of a text, of length 1, or 0 where it has no words."""
        if text not in self._vectors:
            if len(self._vectors) >= _MOST_VECTORS:
                self._vectors.clear()
            self._vectors[text] = hashed_ngrams([text])[0]
        return self._vectors[text]

    def _program(self, code: str) -> str:
        """What Python reads in code; the code itself where it reads nothing."""
        if code not in self._programs:
            if len(self._programs) >= _MOST_VECTORS:
                self._programs.clear()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of odd escapes, which are told of where the code is compiled
                    self._programs[code] = ast.dump(ast.parse(code))
            except (SyntaxError, ValueError, MemoryError, RecursionError):
                self._programs[code] = code
        return self._programs[code]

    def __getstate__(self) -> dict[str, Any]:
        return {"_vectors": {}, "_programs": {}}


class EpsilonNet:
    """Keeps candidates apart: one that is no farther than `epsilon` from another is not let in.

    net = EpsilonNet(0.1)
    near = net.too_near(candidate, memory)      # (0.02, the other one), or None

    Args:
        epsilon: the distance that candidates must exceed; 0 lets in all that are not equal.
        distance: of two candidates; by default `ValueDistance()`.

    Raises:
        ValueError: `epsilon` is negative.
    """

    def __init__(
        self, epsilon: float, distance: Callable[[ModuleCandidate, ModuleCandidate], float] | None = None
    ) -> None:
        if isinstance(epsilon, bool) or not isinstance(epsilon, (int, float)) or not epsilon >= 0:
            raise ValueError(f"epsilon must be a number >= 0, got {epsilon!r}.")
        self.epsilon = epsilon
        self.distance = ValueDistance() if distance is None else distance

    def too_near(
        self, candidate: ModuleCandidate, others: Iterable[ModuleCandidate]
    ) -> tuple[float, ModuleCandidate] | None:
        """The nearest of the others, with its distance, if it is too near."""
        nearest = min(((self.distance(candidate, each), each) for each in others), default=None)
        return nearest if nearest is not None and nearest[0] <= self.epsilon else None
