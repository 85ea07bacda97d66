"""Priority search that explores what is best on some example."""

from __future__ import annotations

from typing import Any

from opto.trainer.algorithms.priority_search import PrioritySearch
from opto.trainer.candidates import ModuleCandidate

__all__ = ["ParetobasedPS", "best_on_examples"]


class ParetobasedPS(PrioritySearch):
    """Explores candidates that are the best on at least one example, however low their mean is.

    Which of them, is drawn with odds that grow with the number of such examples, as in GEPA (arXiv 2507.19457,
    section 3): a candidate that solves what no other one does survives, and what it found is built upon. The rest of
    the memory is explored by priority when there is room.
    """

    def explore(self, **kwargs: Any) -> tuple[list[ModuleCandidate], list[float], dict[str, Any]]:
        """The best candidate, then those of the front drawn by lot, then others by priority."""
        self._memories.merge(self.n_iters)
        memory, run = self.memory, self._run
        first = self._best_candidate if self.use_best_candidate_to_explore else None
        wins = best_on_examples([each for _, each in memory if each is not first], run.validation)
        drawn: list[tuple[float, ModuleCandidate]] = []
        while wins and len(drawn) < self.num_candidates - 1:
            pool = sorted(wins)
            chosen = run.random.choices(pool, weights=[wins[each] for each in pool])[0]
            del wins[chosen]
            priority = memory.remove(chosen)
            assert priority is not None
            drawn.append((priority, chosen))
        wanted = self.num_candidates
        self.num_candidates = wanted - len(drawn)
        try:
            candidates, priorities, told = super().explore(**kwargs)
        finally:
            self.num_candidates = wanted
        told["Explored candidates"] = len(candidates) + len(drawn)
        told["Explored from the front"] = len(drawn)
        head = 1 if first is not None else 0
        candidates[head:head] = [each for _, each in drawn]
        priorities[head:head] = [priority for priority, _ in drawn]
        return candidates, priorities, told


def best_on_examples(candidates: list[ModuleCandidate], split: str) -> dict[ModuleCandidate, int]:
    """On how many examples each candidate has the highest score; those on none are left out.

    Args:
        candidates: with scores in their `table(split)`.
        split: of the data.
    """
    best: dict[int, float] = {}
    for each in candidates:
        table = each.table(split)
        for place in table:
            best[place] = max(best.get(place, table.mean_at(place)), table.mean_at(place))
    wins: dict[ModuleCandidate, int] = {}
    for each in candidates:
        table = each.table(split)
        count = sum(table.mean_at(place) == best[place] for place in table)
        if count:
            wins[each] = count
    return wins
