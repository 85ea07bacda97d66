"""POLCA: priority search under noise, with candidates kept apart and a summary of all that was tried."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from opto.errors import BudgetExceededError, ModelError, ReplayError
from opto.llm.ambient import collecting
from opto.optimizers.options import checked_count
from opto.trainer import prompts
from opto.trainer.algorithms.priority_search import PrioritySearch, Rollouts
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.outcomes import Outcome
from opto.trainer.priority.exploration import Samples
from opto.trainer.priority.memory_indices import MemoryIndex, indices_of
from opto.trainer.priority.neighbours import Neighbours
from opto.trainer.priority.novelty import EpsilonNet, ValueDistance
from opto.trainer.priority.priorities import scalar, standing
from opto.trainer.priority.summaries import Summarizer

__all__ = ["POLCA"]


class POLCA(PrioritySearch):
    """Prioritized Optimization with Local Contextual Aggregation (Ren, Nie, Xie and Cheng 2026, arXiv 2603.14769).

    A priority search in which each candidate's evaluations add up, so that noise averages out, and besides:

    - an epsilon-net: a new candidate that is no farther than `epsilon` from one in the memory is dropped before
      anything is paid for it. The paper compares embeddings; here the distance is `ValueDistance`, unless another is
      given.
    - a summarizer: after each iteration a model reads the best and the worst candidates with their scores, and what it
      writes down is put at the end of the optimizers' objective in the next one.

    Attributes:
        summary: what the summarizer wrote last; "" before.
    """

    defaults = {"num_candidates": 5}
    summary = ""
    _net: EpsilonNet
    _summarizer: Summarizer | None = None
    _every = 1
    _indices: tuple[MemoryIndex[Neighbours], ...] = ()

    def train(
        self,
        guide: Any,
        train_dataset: Any,
        *,
        epsilon: float = 0.05,
        distance: Any = None,
        summarizer: Any = "optimizer",
        summary_frequency: int = 1,
        **options: Any,
    ) -> Outcome:
        """As `PrioritySearch.train`.

        Args:
            guide: as there.
            train_dataset: as there.
            epsilon: how far from the others a new candidate must be; 0 drops equal ones alone.
            distance: `(candidate, candidate) -> float`; None for `ValueDistance`.
            summarizer: the model that summarizes; "optimizer" for that of the first optimizer, if all have an objective
                that a summary can be put into; None for no summaries.
            summary_frequency: every how many iterations a summary is made.
            **options: as there.

        Raises:
            TypeError: `summary_frequency` is no whole number; and as there.
            ValueError: `epsilon` is negative, `summary_frequency` below 1, or a summarizer is given and one of the
                optimizers has no `objective` that a summary could be put into; and as there.
        """
        checked_count("summary_frequency", summary_frequency)
        self._net, self._every, self.summary = EpsilonNet(epsilon, distance), summary_frequency, ""
        self._summarizer = self._made_summarizer(summarizer)
        own = {"epsilon": epsilon, "distance": distance, "summarizer": summarizer}
        self._own_options = {**own, "summary_frequency": summary_frequency}
        return super().train(guide, train_dataset, **options)

    def propose(self, samples: Samples, verbose: bool | str = False, n_proposals: int = 1) -> list[ModuleCandidate]:
        """As in `PrioritySearch`; the optimizers are shown the summary."""
        self._bridge.context = prompts.fill("summary_context.txt", summary=self.summary) if self.summary else ""
        return super().propose(samples=samples, verbose=verbose, n_proposals=n_proposals)

    def validate(self, candidates: list[ModuleCandidate], samples: Samples, verbose: bool | str = False) -> Rollouts:
        """As in `PrioritySearch`, without the candidates that are too near to others."""
        besides = {id(each.candidate): each.candidate for each in samples.taken}
        kept: list[ModuleCandidate] = []
        for each in self._bridge.distinct(candidates):
            known = id(each) in besides or self._keeps(each)
            near = None if known else self._net.too_near(each, [*self._nearby(each), *besides.values()])
            if near is None:
                kept.append(each)
                besides[id(each)] = each
            else:
                why = (
                    f"its distance from candidate {near[1].number} is {near[0]:.2g}, no more than {self._net.epsilon:g}"
                )
                self._run.archive.reject(each, why)
        return super().validate(candidates=kept, samples=samples, verbose=verbose)

    def update_memory(self, results: Rollouts, samples: Samples) -> None:
        """As in `PrioritySearch`; then what was tried is summarized."""
        super().update_memory(results, samples)
        if self._summarizer is None or self.n_iters % self._every:
            return
        config = self.objective_config
        known = [(scalar(standing(each), config), each) for each in self._memories.candidates()]
        scored = [(score, each) for score, each in known if score is not None]
        try:
            with self._run.kept_replies(), collecting(self._run.usage):
                self.summary = self._summarizer.summary(scored, self.summary) or self.summary
        except (BudgetExceededError, ReplayError):
            raise
        except ModelError as error:  # the search goes on with the older one
            self.logger.log("No summary", str(error), self.n_iters)

    def state_dict(self) -> dict[str, Any]:
        """Also the summary."""
        return {**super().state_dict(), "summary": self.summary}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember what `state_dict` told."""
        super().load_state_dict(state)
        self.summary = state["summary"]

    def __getstate__(self) -> dict[str, Any]:
        """Indices are made anew."""
        return {**super().__getstate__(), "_indices": ()}

    def _nearby(self, candidate: ModuleCandidate) -> list[ModuleCandidate]:
        """Those in the memory that may be too near to a candidate; all where only a given function knows."""
        distance, memories = self._net.distance, self._memories.all
        if type(distance) is not ValueDistance:
            return self._memories.candidates()
        self._indices = indices_of(memories, self._indices, partial(Neighbours, distance))
        return [near for each in self._indices for near in each.refreshed().within(candidate, self._net.epsilon)]

    def _made_summarizer(self, model: Any) -> Summarizer | None:
        if model is None:
            return None
        own = isinstance(model, str) and model == "optimizer"
        for each in self.optimizers:
            if not isinstance(getattr(each, "objective", None), str):
                if own:
                    return None
                raise ValueError(
                    f"summarizer must be None: {type(each).__name__} has no objective that a summary could be put into."
                )
        if own:
            return Summarizer(self.optimizers[0]._answering_model())
        return Summarizer(model)
