"""Acceptance for several candidates that are kept side by side: beams, bandits, and races."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

from opto.optimizers.options import checked_count, checked_not_negative
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.plan import Plan
from opto.trainer.run import Run
from opto.trainer.strategies.acceptance import Comparing, drawn_places, unregressed
from opto.trainer.strategies.parents import confidence_bounds
from opto.trainer.strategies.verdicts import settled

__all__ = ["Bandit", "Halving", "KeepBest"]


class KeepBest(Comparing):
    """Keeps the `k` best on validation examples: the acceptance of a beam, with `TopK(k)` for parents.

    Args:
        k: how many.
        places: on how many validation examples candidates are compared, drawn anew for each step; None for all.
        max_repeats: how often the best two are evaluated on each example, at most, while it is undecided which is
            better.
    """

    def __init__(self, k: int, *, places: int | None = None, max_repeats: int = 1) -> None:
        self.k, self.places, self.max_repeats = checked_count("k", k), places, checked_count("max_repeats", max_repeats)

    def evaluations(self, plan: Plan, compared: int) -> tuple[int, int]:
        """Those of a step, the least and the most; see `Search.workload`."""
        old = 0 if self.places is None else self.k
        return 0, self.counted(compared) * (old + self.k * plan.num_proposals)

    def judge(self, run: Run, candidates: list[ModuleCandidate]) -> None:
        """Score the candidates and those kept so far on the same examples; the best `k` of all stay."""
        places = drawn_places(run, self.places)
        beam = run.archive.ranking(run.validation).top(self.k)
        run.evaluate([*beam, *candidates], places)
        allowed = unregressed(run, candidates)
        ranked = sorted([*beam, *allowed], key=lambda each: (-each.table(run.validation).mean(places), each.number))
        for rank, each in enumerate(ranked, 1):
            if each.status == "proposed":
                words = f"rank {rank} of {len(ranked)} with {each.table(run.validation).mean(places):.4g}"
                if rank <= self.k:
                    run.archive.accept(each, f"{words} on {len(places)} examples")
                else:
                    run.archive.reject(each, f"{words} on {len(places)} examples")
        if ranked[0] is not run.best and _beats(run, ranked[0], places, self.max_repeats):
            run.replace_best(ranked[0])


class Halving(Comparing):
    """Lets candidates compete with the best one: all on a few validation examples, the better half on twice as many...

    Successive halving (Jamieson and Talwalkar, arXiv 1502.07943). Only the last one left is evaluated on all examples
    and may take the place of the best candidate.

    Args:
        first: on how many examples they begin.
        eta: the part `1 / eta` goes on, to `eta` times as many examples.
        max_repeats: how often the last one and the best are evaluated on each example, at most, while it is undecided
            which is better.
    """

    def __init__(self, first: int = 4, *, eta: int = 2, max_repeats: int = 1) -> None:
        self.first, self.eta = checked_count("first", first), checked_count("eta", eta, least=2)
        self.max_repeats = checked_count("max_repeats", max_repeats)

    def judge(self, run: Run, candidates: list[ModuleCandidate]) -> None:
        """The examples of a round hold those of the round before."""
        left = unregressed(run, candidates)
        every = list(run.validation_places())
        order = run.random.sample(every, len(every))
        count = self.first
        while len(left) > 1:
            places = order[:count]
            run.evaluate(left, places)
            left.sort(key=lambda each: (-each.table(run.validation).mean(places), each.number))
            going_on = 1 if len(places) == len(every) else max(1, len(left) // self.eta)
            for rank, each in enumerate(left[going_on:], going_on + 1):
                mean = each.table(run.validation).mean(places)
                run.archive.reject(each, f"rank {rank} of {len(left)} with {mean:.4g} on {len(places)} examples")
            left, count = left[:going_on], count * self.eta
        for each in left:
            run.evaluate([run.best, each], every)
            verdict = settled(run, each, run.best, every, self.max_repeats)
            if verdict.better:
                run.archive.accept(each, verdict.words)
                run.replace_best(each)
            else:
                run.archive.reject(each, verdict.words)


class Bandit:
    """Scores candidates on a growing number of validation examples: on more of them, the better they may be.

    New candidates begin with a few examples. Then evaluations are spent where the upper confidence bound is highest,
    a few examples at a time, as ProTeGi selects prompts (arXiv 2305.03495, "UCB bandits"). Where a candidate's mean is
    no longer in doubt, it is its bound. The best candidate is the one with the highest lower bound.

    Args:
        first: on how many examples a new candidate is scored.
        rounds: how often in a step further examples are bought.
        batch: how many at a time.
        exploration: how much what is not known counts, as in `UCB`.
        capacity: how many accepted candidates get evaluations, at most: those with the highest upper bounds.
    """

    def __init__(
        self, *, first: int = 4, rounds: int = 4, batch: int = 4, exploration: float = 1.0, capacity: int = 8
    ) -> None:
        self.first, self.rounds = checked_count("first", first), checked_count("rounds", rounds)
        self.batch, self.capacity = checked_count("batch", batch), checked_count("capacity", capacity)
        self.exploration = checked_not_negative("exploration", exploration)
        self._spent_in = (0, 0)  # the run and its step, so that it is not done twice

    def evaluations(self, plan: Plan, compared: int) -> tuple[int, int]:
        """Those of a step, the least and the most; see `Search.workload`."""
        return 0, self.first * (1 + plan.num_proposals) + self.rounds * self.batch

    def judge(self, run: Run, candidates: list[ModuleCandidate]) -> None:
        """Accept those that may still be the best after the first examples, and spend evaluations among all."""
        self._score(run, run.best, self.first)
        allowed = unregressed(run, candidates)
        for each in allowed:
            self._score(run, each, self.first)
        lower = confidence_bounds(run, -self.exploration)(run.best)
        upper = confidence_bounds(run, self.exploration)
        for each in allowed:
            table = each.table(run.validation)
            words = f"{table.mean():.4g} on {len(table)} examples, at most {upper(each):.4g}"
            if upper(each) >= lower:
                run.archive.accept(each, words)
            else:
                run.archive.reject(each, f"{words}, and the best has at least {lower:.4g}")
        self.spend(run)

    def spend(self, run: Run) -> None:
        """Buy further scores where they may pay, and let the candidate that is surely good be the best; once a step."""
        if self._spent_in == (id(run), run.counts.steps):
            return
        self._spent_in = id(run), run.counts.steps
        ranking = run.archive.ranking(run.validation)
        for _ in range(self.rounds):
            upper = confidence_bounds(run, self.exploration)
            arms = ranking.top_bounds(self.capacity, upper)
            open_ones = [each for each in arms if len(each.table(run.validation)) < len(run.validation_places())]
            if not open_ones or arms[0] not in open_ones:  # the best mean is known, and above all other bounds
                break
            self._score(run, arms[0], self.batch)
        top = ranking.top_bounds(1, confidence_bounds(run, -self.exploration))[0]
        if top is not run.best and run.score(top) > run.score(run.best):
            run.replace_best(top)

    def _score(self, run: Run, candidate: ModuleCandidate, count: int) -> None:
        """Score a candidate on the next examples of its own, in an order that all candidates of a run share."""
        table = candidate.table(run.validation)
        order = _shared_order(run.plan.seed, len(run.validation_places()))
        run.evaluate([candidate], list(islice((place for place in order if place not in table), count)))


@lru_cache(maxsize=4)
def _shared_order(seed: int, count: int) -> Sequence[int]:
    """So many validation examples in an order that depends on the seed alone, so that candidates see the same ones."""
    import random

    places = list(range(count))
    random.Random(f"{seed}/order").shuffle(places)
    return places


def _beats(run: Run, candidate: ModuleCandidate, places: Sequence[int], max_repeats: int) -> bool:
    run.evaluate([run.best], places)
    return settled(run, candidate, run.best, places, max_repeats).better
