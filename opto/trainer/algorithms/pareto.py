"""Priority search that explores what is best on some example."""

from __future__ import annotations

from functools import partial
from typing import Any

from opto.trainer.algorithms.priority_search import PrioritySearch
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.priority.example_wins import ExampleWins
from opto.trainer.priority.memory_indices import MemoryIndex, indices_of

__all__ = ["ParetobasedPS"]


class ParetobasedPS(PrioritySearch):
    """Explores candidates that are the best on at least one example, however low their mean is.

    Which of them, is drawn with odds that grow with the number of such examples, as in GEPA (arXiv 2507.19457,
    section 3): a candidate that solves what no other one does survives, and what it found is built upon. The rest of
    the memory is explored by priority when there is room.
    """

    _indices: tuple[MemoryIndex[ExampleWins], ...] = ()

    def explore(self, **kwargs: Any) -> tuple[list[ModuleCandidate], list[float], dict[str, Any]]:
        """The best candidate, then those of the front drawn by lot, then others by priority."""
        self._memories.merge(self.n_iters)
        memory, run = self.memory, self._run
        first = self._best_candidate if self.use_best_candidate_to_explore else None
        pool = self._wins_without(first)
        drawn: list[tuple[float, ModuleCandidate]] = []
        while pool and len(drawn) < self.num_candidates - 1:
            [place] = run.random.choices(range(len(pool)), weights=[wins for _, wins in pool])
            chosen, _ = pool.pop(place)
            priority = memory.remove(chosen)
            assert priority is not None
            drawn.append((priority, chosen))
        count = self.num_candidates - len(drawn)
        candidates, priorities, told = super().explore(**{**kwargs, "count": count})
        told["Explored candidates"] = len(candidates) + len(drawn)
        told["Explored from the front"] = len(drawn)
        head = 1 if first is not None else 0
        candidates[head:head] = [each for _, each in drawn]
        priorities[head:head] = [priority for priority, _ in drawn]
        return candidates, priorities, told

    def _wins_without(self, first: ModuleCandidate | None) -> list[tuple[ModuleCandidate, int]]:
        """On how many examples each in the memory is the best, the candidate that is explored anyway left out."""
        self._indices = indices_of(self._memories.all, self._indices, partial(ExampleWins, self._run.validation))
        [index] = [each for each in self._indices if each.memory is self.memory]
        wins = index.refreshed()
        wins.without(first)
        return wins.counts()

    def __getstate__(self) -> dict[str, Any]:
        """Indices are made anew."""
        return {**super().__getstate__(), "_indices": ()}
