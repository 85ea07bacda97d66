"""A memory of values and scores that keeps the best, and shows them in ascending order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from opto.optimizers.canonical import canonical_repr
from opto.optimizers.options import checked_count

__all__ = ["Solution", "SolutionMemory"]


@dataclass(frozen=True)
class Solution:
    """Values that were tried.

    Attributes:
        values: by `py_name`.
        score: the mean of their scores; None if there is none.
        remark: what was said of them last, in words.
        count: how many scores the mean is of.
    """

    values: dict[str, Any]
    score: float | None = None
    remark: str = ""
    count: int = 0

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Solution:
        """The solution of a plain dict."""
        score = state["score"]
        number = score if score is None or isinstance(score, (int, float)) else float(score)
        return cls(dict(state["values"]), number, str(state["remark"]), int(state["count"]))

    @property
    def key(self) -> str:
        """The same text for the same values."""
        return canonical_repr(dict(sorted(self.values.items())))

    def again(self, later: Solution) -> Solution:
        """Both trials of the same values as one."""
        count = self.count + later.count
        total = sum((each.score or 0.0) * each.count for each in (self, later))
        return Solution(later.values, total / count if count else None, later.remark or self.remark, count)


class SolutionMemory:
    """Keeps the `size` best solutions; iterates from the worst to the best.

    Solutions without a score count as the worst, the older ones first. Equal values are one solution.

    Raises:
        TypeError: when `size` is no whole number.
        ValueError: when it is less than 1.
    """

    def __init__(self, size: int) -> None:
        self.size = checked_count("memory_size", size)
        self._solutions: list[Solution] = []

    def add(self, solution: Solution) -> None:
        """Keep a solution, if it is good enough."""
        key = solution.key
        known = next((each for each in self._solutions if each.key == key), None)
        if known is not None:
            self._solutions.remove(known)
            solution = known.again(solution)
        self._solutions.append(solution)
        self._solutions.sort(key=lambda each: -math.inf if each.score is None else each.score)
        del self._solutions[: -self.size]

    @property
    def best(self) -> Solution | None:
        """The solution with the highest score; None without scores."""
        return self._solutions[-1] if self._solutions and self._solutions[-1].score is not None else None

    def __contains__(self, solution: Solution) -> bool:
        return any(each.key == solution.key for each in self._solutions)

    def __iter__(self) -> Iterator[Solution]:
        return iter(tuple(self._solutions))

    def __len__(self) -> int:
        return len(self._solutions)

    def copy(self) -> SolutionMemory:
        """Another memory with the same solutions."""
        return SolutionMemory.of(self.size, self.state())

    def state(self) -> list[dict[str, Any]]:
        """The solutions as plain dicts."""
        return [asdict(each) for each in self._solutions]

    @classmethod
    def of(cls, size: int, state: list[Mapping[str, Any]] | list[dict[str, Any]]) -> SolutionMemory:
        """The best `size` of the solutions of a `state`."""
        memory = cls(size)
        memory._solutions = [Solution.of(each) for each in state][-size:]
        return memory
