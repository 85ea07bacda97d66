"""GEPA: reflective evolution of a pool of candidates along Pareto fronts."""

from __future__ import annotations

from typing import Any

from opto.trainer.search import Search
from opto.trainer.strategies.examples import Errors, Minibatch
from opto.trainer.strategies.on_fronts import OnFronts
from opto.trainer.strategies.parents import ParetoParents
from opto.trainer.strategies.proposers import FirstOf, Merge, Proposer, Reflection
from opto.trainer.strategies.screening import Chain, Distinct, Screening

__all__ = ["GEPA"]


class GEPA(Search):
    """Evolves candidates by reflection on their runs, and keeps every one that is best at some example.

    "GEPA: Reflective Prompt Evolution Can Outperform Reinforcement Learning" (Agrawal et al., arXiv 2507.19457). In a
    step a parent is drawn from the Pareto fronts over validation examples, run on a minibatch of training examples, and
    changed by the optimizer, which sees the graph of these runs with its feedback. The child is validated only if it
    beats its parent on the same minibatch. Now and then two candidates that learned different things are merged. The
    result is the candidate with the highest mean on the validation examples.

    It goes beyond the paper where that saves evaluations: examples at which the parent is known to fail come first,
    scores of rollouts count for validation where both are on the same examples, validation stops once a candidate is
    clearly no improvement, and no values are evaluated twice.

    Args:
        *args: as for `Search`.
        merge: how many merges are tried in a run, at most; 0 for none.
        modules: which parameters a step may change: "all", or one after the other in "round_robin".
        examples: which examples feedback is about: "errors", or "epochs" (shuffled minibatches, as in the paper).
        kind: what there is a front for, see `ParetoParents`.
        first: see `OnFronts`, as `defer` and `max_repeats`.
        defer: whether validation is put off.
        max_repeats: how often scores are bought, at most, where they are noisy.
        screening: which candidates to run at all, besides those whose values are known already.
        **parts: as for `Search`.
    """

    defaults = {"num_proposals": 2}  # a second one costs no rollout of the parent

    def __init__(  # a choice for each part of a step
        self,
        *args: Any,
        merge: int = 5,
        modules: str = "all",
        examples: str = "errors",
        kind: str = "examples",
        first: float = 0.1,
        defer: bool = True,
        max_repeats: int = 1,
        screening: Screening | None = None,
        **parts: Any,
    ) -> None:
        if examples not in ("errors", "epochs"):
            raise ValueError(f"examples must be 'errors' or 'epochs', got {examples!r}.")
        reflection: Proposer = Reflection(modules=modules)
        self._on_fronts = OnFronts(first=first, defer=defer, kind=kind, max_repeats=max_repeats)
        super().__init__(
            *args,
            parents=ParetoParents(kind=kind),
            examples=Errors() if examples == "errors" else Minibatch(),
            proposer=FirstOf(Merge(most=merge), reflection) if merge else reflection,
            screening=Distinct() if screening is None else Chain(Distinct(), screening),
            acceptance=self._on_fronts,
            **parts,
        )

    def step(self) -> None:
        """Settle what was put off, if it is time; otherwise a step as in `Search`."""
        if not self._on_fronts.settle(self._run):
            super().step()

    def end(self) -> None:
        """Settle the leading candidate."""
        while self._on_fronts.settle(self._run, last=True):
            pass
