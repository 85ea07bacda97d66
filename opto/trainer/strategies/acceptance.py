"""When a candidate is accepted, and when it takes the place of the best one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from opto.trainer.candidates import ModuleCandidate
from opto.trainer.plan import Plan
from opto.trainer.run import Run

__all__ = ["Acceptance", "Always", "OnValidation", "challenge", "drawn_places"]


class Acceptance(Protocol):
    """Judges candidates. An acceptance is one method:

    class Luckiest:
        '''Accepts what is better on one example, drawn by lot.'''

        def judge(self, run, candidates):
            place = [run.random.choice(run.validation_places())]
            run.evaluate([run.best, *candidates], place)
            for each in candidates:
                if each.table(run.validation).mean(place) > run.best.table(run.validation).mean(place):
                    run.archive.accept(each, "better on one example")
                    run.replace_best(each)
                else:
                    run.archive.reject(each, "no better on one example")
    """

    def judge(self, run: Run, candidates: list[ModuleCandidate]) -> None:
        """Accept or reject each in `run.archive`, with the reason, and call `run.replace_best` for the best."""
        ...


class Always:
    """Accepts every candidate unseen, and takes the last for the best: what an optimizer's loop by hand does."""

    def judge(self, run: Run, candidates: list[ModuleCandidate]) -> None:
        """No evaluation is made."""
        for each in candidates:
            run.archive.accept(each, "without evaluation")
            run.replace_best(each)

    def evaluations(self, plan: Plan, compared: int) -> tuple[int, int]:
        """None; see `Search.workload`."""
        return 0, 0


class OnValidation:
    """Accepts what is better than the best candidate on the validation examples.

    Args:
        places: how many validation examples, drawn anew for each step; None for all.
    """

    def __init__(self, places: int | None = None) -> None:
        self.places = places

    def judge(self, run: Run, candidates: list[ModuleCandidate]) -> None:
        """Score all candidates and the best one on the same examples; the best of them goes first."""
        places = drawn_places(run, self.places)
        run.evaluate([run.best, *candidates], places)
        by_score = sorted(candidates, key=lambda each: (-each.table(run.validation).mean(places), each.number))
        for each in by_score:
            challenge(run, each, places)

    def evaluations(self, plan: Plan, compared: int) -> tuple[int, int]:
        """Those of a step, the least and the most; see `Search.workload`."""
        places = compared if self.places is None else min(self.places, compared)
        return 0, places * (plan.num_proposals if self.places is None else 1 + plan.num_proposals)


def challenge(run: Run, candidate: ModuleCandidate, places: Sequence[int]) -> bool:
    """Let a candidate challenge the best one on examples on which both have scores: accept it if it wins.

    Returns:
        Whether it took the place of the best.
    """
    ours, theirs = candidate.table(run.validation).mean(places), run.best.table(run.validation).mean(places)
    won = ours > theirs
    verdict = f"{ours:.4g} against {theirs:.4g} on {len(places)} examples"
    if won:
        run.archive.accept(candidate, verdict)
        run.replace_best(candidate)
    else:
        run.archive.reject(candidate, verdict)
    return won


def drawn_places(run: Run, count: int | None) -> Sequence[int]:
    """Places of validation examples: so many drawn by lot, in their order; None for all."""
    places = run.validation_places()
    return places if count is None or count >= len(places) else sorted(run.random.sample(places, count))
