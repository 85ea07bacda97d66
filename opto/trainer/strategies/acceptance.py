"""When a candidate is accepted, and when it takes the place of the best one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from opto.trainer.candidates import ModuleCandidate
from opto.trainer.plan import Plan
from opto.trainer.run import Run
from opto.trainer.strategies.verdicts import regressed, settled

__all__ = [
    "Acceptance",
    "Always",
    "Comparing",
    "OnValidation",
    "challenge",
    "drawn_places",
    "unregressed",
    "worse_when_pinned",
]


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


class Comparing:
    """An acceptance that compares candidates on validation examples, and has the initial values scored to begin with.

    Attributes:
        places: on how many in a step, drawn anew for each; None for all.
    """

    places: int | None = None

    def begin(self, run: Run) -> None:
        """Score the initial values, on as many examples as in a step."""
        run.evaluate([run.best], drawn_places(run, self.places))

    def counted(self, compared: int) -> int:
        """On how many examples candidates are compared, of so many that there are."""
        return compared if self.places is None else min(self.places, compared)


class OnValidation(Comparing):
    """Accepts what is better than the best candidate on the validation examples.

    Args:
        places: how many validation examples, drawn anew for each step; None for all.
        max_repeats: how often both are evaluated on each, at most, while it is undecided which is better.
    """

    def __init__(self, places: int | None = None, *, max_repeats: int = 1) -> None:
        self.places, self.max_repeats = places, max_repeats

    def judge(self, run: Run, candidates: list[ModuleCandidate]) -> None:
        """Score all candidates and the best one on the same examples; the best of them goes first."""
        places = drawn_places(run, self.places)
        run.evaluate([run.best, *candidates], places)
        by_score = sorted(candidates, key=lambda each: (-each.table(run.validation).mean(places), each.number))
        for each in by_score:
            challenge(run, each, places, max_repeats=self.max_repeats, rivals=len(candidates))

    def evaluations(self, plan: Plan, compared: int) -> tuple[int, int]:
        """Those of a step, the least and the most; see `Search.workload`."""
        return 0, self.counted(compared) * (plan.num_proposals if self.places is None else 1 + plan.num_proposals)


def challenge(
    run: Run, candidate: ModuleCandidate, places: Sequence[int], *, max_repeats: int = 1, rivals: int = 1
) -> bool:
    """Let a candidate challenge the best one on examples on which both have scores: accept it if it wins.

    Args:
        run: the run; its plan says how sure it has to be, and what must not get worse.
        candidate: evaluated on the places, as the best candidate is.
        places: of validation examples.
        max_repeats: how often both are evaluated on each, at most, while it is undecided which is better.
        rivals: among how many candidates this one was picked by its scores on the places.

    Returns:
        Whether it took the place of the best.
    """
    verdict = settled(run, candidate, run.best, places, max_repeats, rivals=rivals)
    lost = regressed(run, candidate) if verdict.better else []
    if lost:
        run.archive.reject(candidate, worse_when_pinned(lost))
    elif verdict.better:
        run.archive.accept(candidate, verdict.words)
        run.replace_best(candidate)
    else:
        run.archive.reject(candidate, verdict.words)
    return candidate is run.best


def unregressed(run: Run, candidates: Sequence[ModuleCandidate]) -> list[ModuleCandidate]:
    """Those that are not worse where the plan forbids it; the others are rejected."""
    kept = []
    for each in candidates:
        lost = regressed(run, each)
        if lost:
            run.archive.reject(each, worse_when_pinned(lost))
        else:
            kept.append(each)
    return kept


def worse_when_pinned(places: Sequence[int]) -> str:
    """The verdict on a candidate that is worse at pinned places."""
    return f"worse than the initial values at pinned example{'s' * (len(places) > 1)} {', '.join(map(str, places))}"


def drawn_places(run: Run, count: int | None) -> Sequence[int]:
    """Places of validation examples: so many drawn by lot, in their order; None for all."""
    places = run.validation_places()
    return places if count is None or count >= len(places) else sorted(run.random.sample(places, count))
