"""Priority search that goes on evaluating its candidates as examples stream in."""

from __future__ import annotations

import math
from typing import Any

from opto.trainer.algorithms.priority_search import PrioritySearch
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.outcomes import Outcome
from opto.trainer.priority.exploration import Samples

__all__ = ["StreamingPrioritySearch"]


class StreamingPrioritySearch(PrioritySearch):
    """Spends a part of each iteration on new candidates, and the rest on knowing the old ones better.

    Of `num_candidates` that are run on the new examples, the first `exploration_ratio` are those of a priority search,
    and new candidates are made from their rollouts. The others are drawn from the memory, with odds that grow with
    their priority (a softmax), and are only run: so each candidate goes on being scored as the stream of examples goes
    on, which matters where the examples change, or the scores are noisy.

    Priority search of the Trace project, in the setting of best-arm identification by sampling in proportion to
    `exp(score / temperature)` (Boltzmann exploration, Cesa-Bianchi et al. 2017, arXiv 1705.10257).
    """

    _ratio, _temperature = 0.5, 1.0
    _leading: frozenset[int] = frozenset()

    def train(
        self,
        guide: Any,
        train_dataset: Any,
        *,
        exploration_ratio: float = 0.5,
        exploration_temperature: float = 1.0,
        **options: Any,
    ) -> Outcome:
        """As `PrioritySearch.train`.

        Args:
            guide: as there.
            train_dataset: as there.
            exploration_ratio: the share of the explored candidates that new ones are made from.
            exploration_temperature: of the softmax over priorities; near 0 it takes the best, infinity any.
            **options: as there.

        Raises:
            ValueError: the ratio is not above 0 and at most 1, or the temperature not above 0; and as there.
        """
        if not 0 < exploration_ratio <= 1:
            raise ValueError(f"exploration_ratio must be > 0 and <= 1, got {exploration_ratio!r}.")
        if not exploration_temperature > 0:
            raise ValueError(f"exploration_temperature must be > 0, got {exploration_temperature!r}.")
        self._ratio, self._temperature = exploration_ratio, exploration_temperature
        self._own_options = {
            "exploration_ratio": exploration_ratio,
            "exploration_temperature": exploration_temperature,
        }
        return super().train(guide, train_dataset, **options)

    def explore(self, **kwargs: Any) -> tuple[list[ModuleCandidate], list[float], dict[str, Any]]:
        """The candidates that new ones are made from, then those that are only run."""
        wanted = self.num_candidates
        count = max(1, math.ceil(wanted * self._ratio))
        candidates, priorities, told = super().explore(**{**kwargs, "count": count})
        self._leading = frozenset(self._bridge.known(each).number for each in candidates)
        drawn = self._drawn(wanted - len(candidates))
        told["Candidates that are only run"] = len(drawn)
        return (
            [*candidates, *(each for _, each in drawn)],
            [*priorities, *(priority for priority, _ in drawn)],
            told,
        )

    def propose(self, samples: Samples, verbose: bool | str = False, n_proposals: int = 1) -> list[ModuleCandidate]:
        """New candidates from the rollouts of the leading ones."""
        pairs = zip(samples.batches, samples.candidates, strict=True)
        leading = [pair for pair in pairs if self._bridge.known(pair[1]).number in self._leading]
        some = Samples(
            [batch for batch, _ in leading],
            [candidate for _, candidate in leading],
            samples.dataset,
            samples.places,
            samples.taken,
        )
        return super().propose(samples=some, verbose=verbose, n_proposals=n_proposals)

    def _drawn(self, count: int) -> list[tuple[float, ModuleCandidate]]:
        """Candidates out of the memory, by lot: the Gumbel trick draws from a softmax without replacement."""
        memory, lots = self.memory, self._run.random
        pairs = [(-negated, candidate) for negated, candidate in memory]
        keyed = [
            (priority / self._temperature - math.log(-math.log(lots.uniform(1e-300, 1.0 - 1e-16))), priority, candidate)
            for priority, candidate in pairs
        ]
        chosen = sorted(keyed, key=lambda each: (-each[0], each[2]))[: max(0, count)]
        for _, _, candidate in chosen:
            memory.remove(candidate)
        return [(priority, candidate) for _, priority, candidate in chosen]
