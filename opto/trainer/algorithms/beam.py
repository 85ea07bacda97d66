"""Priority search that explores all that it keeps."""

from __future__ import annotations

from typing import Any

from opto.trainer.algorithms.priority_search import PrioritySearch
from opto.trainer.outcomes import Outcome

__all__ = ["BeamSearch"]


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
