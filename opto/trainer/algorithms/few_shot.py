"""Search for the demonstrations that a program is given."""

from __future__ import annotations

import random
from typing import Any

from opto.optimizers.few_shot import FewShot
from opto.trainer.datasets import as_dataset
from opto.trainer.outcomes import Outcome
from opto.trainer.plan import Plan, Workload
from opto.trainer.search import Search
from opto.trainer.strategies.beams import Halving
from opto.trainer.strategies.demonstrations import Demonstrations
from opto.trainer.strategies.screening import Distinct

__all__ = ["FewShotSearch"]


class FewShotSearch(Search):
    """Finds demonstrations for a program whose parameters hold lists of them.

    Few-shot demonstrations from the program's own good runs, with random search among sets (DSPy, arXiv 2310.03714), in
    which sets compete by successive halving (arXiv 1502.07943). See `Demonstrations` and `Halving`.

    Demonstrations come from training examples only, and sets are judged on others: where no validation examples are
    given, half of the training examples are set aside for that. A demonstration of the very example that a program is
    judged on would tell it the answer. Labelled examples given to the optimizer are yours to keep apart.

    Args:
        *args: as for `Search`; the optimizer is a `FewShot` without a function `score`: it keeps the pool.
        sets: how many sets compete in a step.
        first: on how many validation examples they begin.
        **parts: as for `Search`.

    Raises:
        TypeError: the optimizer is no `FewShot`.
        ValueError: it has a function `score`, which would not be used.
    """

    def __init__(self, *args: Any, sets: int = 4, first: int = 4, **parts: Any) -> None:
        self.sets, proposer = sets, Demonstrations(sets)
        super().__init__(*args, proposer=proposer, screening=Distinct(), acceptance=Halving(first), **parts)
        if not isinstance(self.optimizer, FewShot):
            raise TypeError(f"optimizer must be a FewShot, got {self.optimizer!r}.")
        if self.optimizer.score is not None:
            raise ValueError("optimizer must be a FewShot without score=: the guide judges.")

    def train(self, guide: Any, train_dataset: Any, *, validate_dataset: Any = None, **options: Any) -> Outcome:
        """As in `Search`; without validation examples, half of the training examples are set aside.

        Raises:
            ValueError: there are fewer than two training examples to share out.
        """
        if validate_dataset is None:
            train_dataset, validate_dataset = _halves(train_dataset, options.get("seed", 0))
        return super().train(guide, train_dataset, validate_dataset=validate_dataset, **options)

    def workload(self, plan: Plan, compared: int) -> Workload:
        """As in `Search`; no proposal asks a model."""
        return Workload((plan.batch_size, plan.batch_size + self.sets * compared), (0, 0), compared)


def _halves(dataset: Any, seed: int) -> tuple[list[Any], list[Any]]:
    examples = as_dataset(dataset)
    if len(examples) < 2:
        raise ValueError("train_dataset must hold at least two examples where no validate_dataset is given.")
    places = list(range(len(examples)))
    random.Random(f"{seed}/halves").shuffle(places)
    half = len(places) // 2
    return [examples[place] for place in sorted(places[half:])], [examples[place] for place in sorted(places[:half])]
