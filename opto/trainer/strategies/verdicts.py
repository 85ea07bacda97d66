"""Whether one candidate is better than another, by their scores on the same examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from opto.trainer.candidates import ModuleCandidate
from opto.trainer.evidence.comparing import compare, regressions
from opto.trainer.run import Run

__all__ = ["Verdict", "checked_pinned", "compared", "regressed", "settled"]


@dataclass(frozen=True)
class Verdict:
    """How one candidate did beside another.

    Attributes:
        better: whether it is better, at the confidence that was asked for.
        worse: whether it is worse.
        words: the numbers.
    """

    better: bool
    worse: bool
    words: str


def compared(run: Run, candidate: ModuleCandidate, other: ModuleCandidate, places: Sequence[int]) -> Verdict:
    """Weigh a candidate against another by their means on the same validation examples.

    With the plan's `confidence` at 0.5, the higher mean wins. Above, the paired evidence decides, see
    `opto.trainer.evidence.compare`.
    """
    mine, theirs = candidate.table(run.validation), other.table(run.validation)
    means = mine.mean(places), theirs.mean(places)
    words = f"{means[0]:.4g} against {means[1]:.4g} on {len(places)} example{'' if len(places) == 1 else 's'}"
    plan = run.plan
    if plan.confidence == 0.5:
        return Verdict(means[0] > means[1], means[0] < means[1], words)
    evidence = compare(
        theirs.numbers(places),
        mine.numbers(places),
        confidence=plan.confidence,
        score_range=plan.score_range if plan.score_range and all(map(math.isfinite, plan.score_range)) else None,
        seed=plan.seed,
    )
    return Verdict(evidence.better, evidence.worse, f"{words}: {evidence}")


def settled(
    run: Run, candidate: ModuleCandidate, other: ModuleCandidate, places: Sequence[int], max_repeats: int = 1
) -> Verdict:
    """`compared`, with both evaluated again while it is undecided.

    Args:
        run: the run.
        candidate: evaluated on the places.
        other: likewise.
        places: of validation examples.
        max_repeats: the most scores that each gets on an example. Where a second score is the same everywhere, scores
            are not noisy, and no third is bought.
    """
    verdict = compared(run, candidate, other, places)
    for repeats in range(2, max_repeats + 1):
        if verdict.better or verdict.worse:
            break
        run.evaluate([candidate, other], places, repeats=repeats)
        verdict = compared(run, candidate, other, places)
        if not any(_varies(each, run.validation, places) for each in (candidate, other)):
            break
    return verdict


def regressed(run: Run, candidate: ModuleCandidate) -> list[int]:
    """The pinned places at which a candidate is worse than the first one; both are evaluated there.

    Raises:
        ValueError: the plan pins a place that no validation example has.
    """
    pinned = checked_pinned(run)
    if not pinned:
        return []
    first = run.archive[0]
    run.evaluate([first, candidate], pinned)
    before, ours = (each.table(run.validation).numbers(pinned) for each in (first, candidate))
    return regressions(pinned, before, ours)


def checked_pinned(run: Run) -> tuple[int, ...]:
    """The places that the plan pins.

    Raises:
        ValueError: no validation example has one of them.
    """
    pinned, count = run.plan.pinned, len(run.validation_places())
    if pinned and max(pinned) >= count:
        raise ValueError(f"pinned must be places of the {count} validation examples, got {max(pinned)}.")
    return pinned


def _varies(candidate: ModuleCandidate, split: str, places: Sequence[int]) -> bool:
    return any(len(set(candidate.table(split).numbers_at(place))) > 1 for place in places)
