"""Which training examples a step's feedback is about."""

from __future__ import annotations

import math
from typing import Protocol

from opto.trainer.run import Run
from opto.trainer.strategies.parents import draw_by_weight

__all__ = ["Errors", "ExampleSelector", "Minibatch"]


class ExampleSelector(Protocol):
    """Picks training examples by their places. A selector is one method:

    class First:
        '''Always the same ones.'''

        def pick(self, run):
            return list(range(run.plan.batch_size))

    It may look at `run.parents`, whose values the examples will be run with.
    """

    def pick(self, run: Run) -> list[int]:
        """Places of training examples, at least one."""
        ...


class Minibatch:
    """The next `batch_size` examples of the loader, epoch after epoch."""

    def pick(self, run: Run) -> list[int]:
        """As in PyTorch: each example once an epoch, in an order drawn anew."""
        places, _ = run.loader.sample()
        return places


class Errors:
    """Examples at which the parents are known to be bad, and some of which nothing is known.

    An example that went well teaches nothing and cannot be improved on, so a batch has fewer examples where fewer are
    known to be bad. What is known is every score that was bought
    so far: with validation on the training examples that is a score for each of them. Of an example that a parent was
    not run on, the scores of its own parent and of the first candidate serve as a guess.

    Args:
        exploration: the part of the loader's examples that is taken whatever else is bad, unless they went well.
    """

    def __init__(self, *, exploration: float = 0.25) -> None:
        if not 0 <= exploration <= 1:
            raise ValueError(f"exploration must be a part, from 0 to 1, got {exploration!r}.")
        self.exploration = exploration

    def pick(self, run: Run) -> list[int]:
        """At most `batch_size` different places, at least one; the loader advances by as many."""
        regular, _ = run.loader.sample()
        size = min(run.plan.batch_size, len(run.data.train))
        known = _known(run)
        highest = _highest(run, known)
        kept = [place for place in dict.fromkeys(regular) if run.random.random() < self.exploration]
        kept = [place for place in kept if known.get(place, -math.inf) < highest]
        lost = {place: highest - score for place, score in known.items() if place not in kept and score < highest}
        chosen = kept + draw_by_weight(run, lost, size - len(kept))
        chosen += [place for place in dict.fromkeys(regular) if place not in known and place not in chosen]
        return chosen[:size] or list(dict.fromkeys(regular))


def _known(run: Run) -> dict[int, float]:
    """What the parents score at training examples, by place; a guess where only their ancestors were run."""
    tables = [parent.table("train") for parent in run.parents]
    tables += [each.table("train") for parent in run.parents for each in parent.parents[:1]]
    tables.append(run.archive[0].table("train"))
    known: dict[int, float] = {}
    for table in tables:
        for place in table:
            if place not in known:
                known[place] = table.mean_at(place)
    return dict(sorted(known.items()))


def _highest(run: Run, known: dict[int, float]) -> float:
    highest = run.plan.highest
    return max(known.values(), default=0.0) if highest is None else highest
