"""Search with several candidates at a time: beams, and a bandit over all."""

from __future__ import annotations

from typing import Any

from opto.trainer.algorithms.priority_search import PrioritySearch
from opto.trainer.outcomes import Outcome
from opto.trainer.search import Search
from opto.trainer.strategies.beams import Bandit, KeepBest
from opto.trainer.strategies.parents import UCB, TopK
from opto.trainer.strategies.screening import Distinct

__all__ = ["Beam", "BeamSearch", "UCBSearch"]


class Beam(Search):
    """Keeps the `width` best candidates, and makes new ones of each of them in every step.

    Beam search over prompts, as in "Automatic Prompt Optimization with 'Gradient Descent' and Beam Search" (Pryzant et
    al., arXiv 2305.03495), with the mean on validation examples as the score.

    Args:
        *args: as for `Search`.
        width: how many candidates are kept.
        validation: on how many validation examples they are compared, drawn anew for each step; None for all.
        max_repeats: see `KeepBest`.
        **parts: as for `Search`.
    """

    def __init__(
        self, *args: Any, width: int = 3, validation: int | None = None, max_repeats: int = 1, **parts: Any
    ) -> None:
        keeping = KeepBest(width, places=validation, max_repeats=max_repeats)
        super().__init__(*args, parents=TopK(width), screening=Distinct(), acceptance=keeping, **parts)


class UCBSearch(Search):
    """Makes new candidates of the one that may be the best, and scores those on more examples that may be.

    The bandit selection of "Automatic Prompt Optimization with 'Gradient Descent' and Beam Search" (Pryzant et al.,
    arXiv 2305.03495), with UCB1 (Auer et al. 2002), in every step both for the parent and for what is evaluated. It
    suits many validation examples: no candidate is scored on all of them before it has a good chance to be the best.

    Args:
        *args: as for `Search`.
        exploration: how much what is not known counts, in units of the spread of scores.
        first: on how many validation examples a new candidate is scored.
        rounds: how often in a step further examples are bought.
        batch: how many at a time.
        capacity: among how many candidates they are spent.
        **parts: as for `Search`.
    """

    def __init__(  # the options of a bandit
        self,
        *args: Any,
        exploration: float = 0.5,
        first: int = 4,
        rounds: int = 4,
        batch: int = 4,
        capacity: int = 8,
        **parts: Any,
    ) -> None:
        self._bandit = Bandit(first=first, rounds=rounds, batch=batch, exploration=exploration, capacity=capacity)
        picking = UCB(exploration=exploration)
        super().__init__(*args, parents=picking, screening=Distinct(), acceptance=self._bandit, **parts)

    def step(self) -> None:
        """As in `Search`; further scores are also bought in steps that bring no candidate."""
        super().step()
        self._bandit.spend(self._run)


class BeamSearch(PrioritySearch):
    """Keeps the best few candidates, and proposes new ones from each of them in every iteration.

    Beam search over prompts as in ProTeGi (Pryzant et al. 2023, arXiv 2305.03495), with the feedback of traced runs
    in the place of textual gradients. `num_proposals` new candidates are made from each one in the beam; of old and new
    ones the best `beam_width` stay.
    """

    defaults = {"num_candidates": 4, "num_proposals": 4, "long_term_memory_size": 4}

    def train(self, guide: Any, train_dataset: Any, *, beam_width: int | None = None, **options: Any) -> Outcome:
        """As `PrioritySearch.train`.

        Args:
            guide: as there.
            train_dataset: as there.
            beam_width: how many candidates are kept, and explored; 4 by default.
            **options: as there.
        """
        if beam_width is not None:
            options = {**options, "num_candidates": beam_width, "long_term_memory_size": beam_width}
        return super().train(guide, train_dataset, **options)
