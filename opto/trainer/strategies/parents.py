"""How to pick the candidates that new ones are made from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from opto.optimizers.options import checked_count, checked_not_negative
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.pool.fronts import KINDS
from opto.trainer.run import Run

__all__ = [
    "UCB",
    "Best",
    "EpsilonGreedy",
    "Latest",
    "ParentSelector",
    "ParetoParents",
    "TopK",
    "confidence_bounds",
    "draw_by_weight",
]


class ParentSelector(Protocol):
    """Picks parents. A selector is one method:

    class Oldest:
        '''Always goes back to the beginning.'''

        def pick(self, run):
            return [run.archive.accepted[0]]

    It draws from `run.random` only. One that keeps a state has `state_dict` and `load_state_dict` besides.
    """

    def pick(self, run: Run) -> list[ModuleCandidate]:
        """At least one accepted candidate, the first being the most important."""
        ...


class Best:
    """The best candidate so far."""

    def pick(self, run: Run) -> list[ModuleCandidate]:
        """The one that the run would end with."""
        return [run.best]


class Latest:
    """The candidate that was accepted last."""

    def pick(self, run: Run) -> list[ModuleCandidate]:
        """The end of the list."""
        return [run.archive.accepted[-1]]


class TopK:
    """The candidates with the highest mean scores: a beam.

    Args:
        k: how many, at most.
    """

    def __init__(self, k: int) -> None:
        self.k = checked_count("k", k)

    def pick(self, run: Run) -> list[ModuleCandidate]:
        """The best first; of equal ones the older."""
        return run.archive.ranking(run.validation).top(self.k)


class EpsilonGreedy:
    """The best candidate, and now and then another one.

    Args:
        epsilon: the probability of another one, each accepted candidate being as likely.
    """

    def __init__(self, epsilon: float = 0.1) -> None:
        if not 0 <= epsilon <= 1:
            raise ValueError(f"epsilon must be a probability, from 0 to 1, got {epsilon!r}.")
        self.epsilon = epsilon

    def pick(self, run: Run) -> list[ModuleCandidate]:
        """One of them."""
        if run.random.random() >= self.epsilon:
            return [run.best]
        return [run.random.choice(run.archive.accepted)]


class UCB:
    """The candidates that may be the best: mean score, and what is not known of it.

    UCB1 (Auer et al. 2002, "Finite-time Analysis of the Multiarmed Bandit Problem"), as ProTeGi uses it to select
    prompts (arXiv 2305.03495).

    Args:
        k: how many, at most.
        exploration: how much what is not known counts, in units of the spread of scores.
    """

    def __init__(self, k: int = 1, *, exploration: float = 1.0) -> None:
        self.k, self.exploration = checked_count("k", k), checked_not_negative("exploration", exploration)

    def pick(self, run: Run) -> list[ModuleCandidate]:
        """Those with the highest bounds first; of equal ones the older."""
        bound = confidence_bounds(run, self.exploration)
        return run.archive.ranking(run.validation).top_bounds(self.k, bound)


class ParetoParents:
    """A candidate of the Pareto fronts: one that is best at something, and the likelier the more it is best at.

    GEPA's selection (arXiv 2507.19457, section 3.3). Dominated candidates, which are best at nothing that those which
    stay are not also best at, are left out.

    Args:
        k: how many different ones, at most.
        kind: what there is a front for: "examples"; with scores that are dicts also "objectives", "both", or "pairs"
            (each objective at each example).
    """

    def __init__(self, k: int = 1, *, kind: str = "examples") -> None:
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}, got {kind!r}.")
        self.k, self.kind = checked_count("k", k), kind

    def pick(self, run: Run) -> list[ModuleCandidate]:
        """Drawn by their weights, without repetition; the best candidate where nothing was evaluated yet."""
        counts = run.archive.fronts(run.validation, self.kind).counts()
        drawn = draw_by_weight(run, {number: float(count) for number, count in counts.items()}, self.k)
        return [run.archive[number] for number in drawn] or [run.best]


def confidence_bounds(run: Run, exploration: float) -> Callable[[ModuleCandidate], float]:
    """A function that gives the upper confidence bound of a candidate's mean score on all validation examples.

    The bound shrinks with the number of examples that the candidate was scored on, and is the mean where these are all.

    Args:
        run: the run as it is now.
        exploration: how much what is not known counts; a negative number gives lower bounds.
    """
    split, every = run.validation, len(run.validation_places())
    total = run.archive.ranking(split).examples
    low, high = run.plan.score_range or (0.0, 1.0)
    spread = (high - low) / 2 if math.isfinite(high - low) else 0.5

    def bound(candidate: ModuleCandidate) -> float:
        table = candidate.table(split)
        if not table:
            return math.copysign(math.inf, exploration)
        unseen = (every - len(table)) / every  # of a finite number of examples, only these are in doubt
        return table.mean() + exploration * spread * math.sqrt(2 * math.log(max(total, 2)) / len(table) * unseen)

    return bound


def draw_by_weight(run: Run, weights: dict[int, float], count: int) -> list[int]:
    """So many of the keys, without repetition, each as likely as its weight says; keys of weight 0 come last."""
    left = dict(sorted(weights.items()))
    drawn: list[int] = []
    while left and len(drawn) < count:
        names = list(left)
        total = math.fsum(left.values())
        found = run.random.choices(names, list(left.values()))[0] if total > 0 else run.random.choice(names)
        drawn.append(found)
        del left[found]
    return drawn
