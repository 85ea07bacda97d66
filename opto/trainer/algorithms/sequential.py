"""Priority search with one candidate at a time."""

from __future__ import annotations

from typing import Any

from opto.trainer.algorithms.priority_search import PrioritySearch, Rollouts
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.plan import Plan
from opto.trainer.priority.exploration import Samples

__all__ = ["SequentialSearch", "SequentialUpdate"]


class SequentialSearch(PrioritySearch):
    """One candidate after the other, each kept only if it scores better than the one before: hill climbing.

    The memory has room for one. The candidate in it is run again in each iteration, so its mean becomes surer.

    The loop of the Trace paper (arXiv 2406.16218, section 4), with validation.
    """

    defaults = {"num_candidates": 1, "num_proposals": 1, "long_term_memory_size": 1}


class SequentialUpdate(PrioritySearch):
    """One candidate after the other, each taken as it comes: stochastic descent. Nothing is validated.

    The loop of the Trace paper (arXiv 2406.16218, section 4). The last candidate is the result.
    """

    defaults = {
        "num_candidates": 1,
        "num_proposals": 1,
        "memory_update_frequency": None,
        "short_term_memory_size": 1,
    }

    def _check_plan(self, plan: Plan) -> None:
        for name in ("pinned", "confidence"):
            if getattr(plan, name) != getattr(Plan, name):
                raise ValueError(f"{name} must be left as it is: SequentialUpdate validates nothing.")

    def validate(self, candidates: list[ModuleCandidate], samples: Samples, verbose: bool | str = False) -> Rollouts:
        """The candidates without rollouts."""
        return {each: [] for each in self._bridge.distinct(candidates)}

    def update_memory(self, results: Rollouts, samples: Samples) -> None:
        """Let the newest candidate take the place of the one before."""
        for each in samples.taken:
            each.candidate.add_rollouts(self._bridge.sampled(samples, each.candidate))
        newest = self._bridge.known(next(reversed(results)))
        self._memories.short_term.reset()
        self._memories.long_term.reset()
        self.memory.push(0.0, newest)
        if newest.status != "accepted":
            self._run.archive.accept(newest, "without evaluation")

    def _remembered(self) -> list[ModuleCandidate]:
        return [self._run.best]

    def exploit(self, **kwargs: Any) -> tuple[ModuleCandidate, float, dict[str, Any]]:
        """The candidate in the memory."""
        negated, newest = self.memory.best
        return newest, -negated, {}
