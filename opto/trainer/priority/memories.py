"""Memories of a search: what is kept to be explored later, the best first."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from opto.optimizers.options import checked_count
from opto.trainer.objectives import ObjectiveConfig, apply_minimize, pareto_rank, to_score_dict, weighted_scalarize

__all__ = ["HeapMemory", "ParetoHeapMemory"]


class _Entry(tuple[float, Any]):
    """A pair `(-score, item)` that stands before those with lower scores; of equal scores, the lesser item is first."""

    arrival: int

    def __lt__(self, other: Any) -> bool:
        if self[0] != other[0]:
            return bool(self[0] < other[0])
        try:
            if bool(self[1] < other[1]):
                return True
            if bool(other[1] < self[1]):
                return False
        except (TypeError, ValueError):  # items that have no order come in that of their arrival
            pass
        return bool(self.arrival < other.arrival)


class HeapMemory:
    """Keeps items with their scores, the best first.

        memory = HeapMemory(size=2)
        for score, name in [(0.2, "poor"), (0.9, "good"), (0.5, "fair")]:
            memory.push(score, name)
        memory.best, memory.pop()       # (-0.9, "good"), twice
        list(memory)                    # [(-0.5, "fair")]: "poor" was the worst when there was room for two

    Of equal scores the lesser item comes first, and stays longer; candidates are ordered by their birth. Items that
    have no order come in that of their arrival. A push and a pop find their place by bisection; moving the pairs behind
    it is one `memmove`, which for ten thousand of them is less than the comparisons take.

    Args:
        size: how many items are kept; None for all. When there is no room, the worst is dropped.
        processing_fun: given each item that is pushed, and returns what to keep in its place; None where it changed the
            item itself.

    Raises:
        ValueError: `size` is below 1.
    """

    def __init__(self, size: float | None = None, processing_fun: Callable[[Any], Any] | None = None) -> None:
        if size is not None and size != math.inf and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
            raise ValueError(f"size must be an integer >= 1, or None for no limit, got {size!r}.")
        self.memory = []
        self.processing_fun = processing_fun
        self._size = math.inf if size is None else size
        self._arrivals = 0

    @property
    def memory(self) -> list[Any]:
        """The pairs `(-score, item)`: a heap for `heapq`, and sorted besides."""
        return self._pairs

    @memory.setter
    def memory(self, pairs: list[Any]) -> None:
        self._pairs = pairs
        self._inside = Counter(id(item) for _, item in pairs)
        self._changed: dict[int, Any] | None = None

    @property
    def size(self) -> float:
        """How many items are kept; infinity for all."""
        return self._size

    @property
    def best(self) -> tuple[float, Any]:
        """The pair that `pop` would take.

        Raises:
            IndexError: the memory is empty.
        """
        pair: tuple[float, Any] = self.memory[self._next()]
        return pair

    def push(self, score: float, item: Any) -> Any:
        """Keep an item, and drop the worst where there is no room for all.

        Returns:
            The item that was dropped, which may be this one; None where there was room.

        Raises:
            ValueError: the score is NaN.
        """
        if math.isnan(score):
            raise ValueError("score must be a number, got nan: nothing can be said of its place.")
        if self.processing_fun is not None:
            processed = self.processing_fun(item)
            item = item if processed is None else processed
        entry = _Entry((-score, item))
        entry.arrival = self._arrivals = self._arrivals + 1
        self._pairs.insert(bisect_right(self._pairs, entry), entry)
        self._inside[id(item)] += 1
        self._note(item)
        return self._taken(-1)[1] if len(self._pairs) > self._size else None

    def pop(self) -> tuple[float, Any]:
        """Take out the best pair `(-score, item)`.

        Raises:
            IndexError: the memory is empty.
        """
        return self._taken(self._next())

    def append(self, pairs: Iterable[tuple[float, Any]]) -> None:
        """Keep what another memory has, or other pairs `(-score, item)`."""
        for negated, item in list(pairs):
            self.push(-negated, item)

    def remove(self, item: Any) -> float | None:
        """Take out an item, compared by identity.

        Returns:
            Its score; None where it is not here.
        """
        if item not in self:
            return None
        place = next(place for place, (_, kept) in enumerate(self._pairs) if kept is item)
        return -self._taken(place)[0]

    def changes(self) -> list[Any] | None:
        """What came or went since this was last asked, for one that keeps an index of what is here.

        Returns:
            Items that are here now, or not any more; None where all may be others.
        """
        changed, self._changed = self._changed, {}
        return None if changed is None else list(changed.values())

    def reset(self) -> None:
        """Forget everything."""
        self.memory = []

    def _next(self) -> int:
        if not self.memory:
            raise IndexError("the memory is empty.")
        return 0

    def _taken(self, place: int) -> tuple[float, Any]:
        pair: tuple[float, Any] = self._pairs.pop(place)
        self._inside[id(pair[1])] -= 1
        if not self._inside[id(pair[1])]:
            del self._inside[id(pair[1])]
        self._note(pair[1])
        return pair

    def _note(self, item: Any) -> None:
        if self._changed is not None:
            self._changed[id(item)] = item

    def __contains__(self, item: object) -> bool:
        """Whether the item itself is kept, not merely an equal one."""
        return id(item) in self._inside

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_inside", "_changed")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.memory = self._pairs

    def __iter__(self) -> Iterator[tuple[float, Any]]:
        return iter(self.memory)

    def __len__(self) -> int:
        return len(self.memory)

    def __bool__(self) -> bool:
        return bool(self.memory)

    def __repr__(self) -> str:
        room = "any number" if self._size == math.inf else str(self._size)
        return f"<{type(self).__name__} of {len(self)} items, room for {room}>"


class ParetoHeapMemory(HeapMemory):
    """A memory for several objectives: what is popped is one that no other of the best few dominates.

    Of the first front, the item with the highest weighted sum is taken. Without a configuration, and as long as one of
    the best few has no scores by objective, it is a plain `HeapMemory`.

    Args:
        size: as for `HeapMemory`.
        processing_fun: as for `HeapMemory`.
        pareto_k: of how many of the best items the front is made.
        score_dict_fn: gives the scores of an item by objective, None where it has none; by default
            `item.mean_score_dict()`.
        objective_config: which objectives count, which are minimized, and their weights.

    Raises:
        TypeError: `pareto_k` is no whole number.
        ValueError: `pareto_k` is below 1.
    """

    def __init__(
        self,
        size: float | None = None,
        processing_fun: Callable[[Any], Any] | None = None,
        *,
        pareto_k: int = 20,
        score_dict_fn: Callable[[Any], Mapping[str, float] | None] | None = None,
        objective_config: ObjectiveConfig | None = None,
    ) -> None:
        super().__init__(size, processing_fun)
        self.pareto_k = checked_count("pareto_k", pareto_k)
        self.score_dict_fn, self.objective_config = score_dict_fn, objective_config

    def _next(self) -> int:
        first = super()._next()
        config = self.objective_config
        if config is None:
            return first
        dicts: list[Mapping[str, float]] = []
        for _, item in self.memory[: self.pareto_k]:
            found = item.mean_score_dict() if self.score_dict_fn is None else self.score_dict_fn(item)
            if not found:
                return first
            dicts.append(apply_minimize(to_score_dict(found), config.minimize))
        ranks = pareto_rank(dicts, config.pareto_metrics)
        sums = [weighted_scalarize(each, config.weights, config.missing_value) for each in dicts]
        return min(range(len(dicts)), key=lambda place: (ranks[place], -sums[place], place))
