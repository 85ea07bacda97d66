"""Which candidates are worth running at all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Protocol

from opto.optimizers.options import checked_count
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.run import Run
from opto.trainer.score_model import ScoreModel
from opto.trainer.strategies.composed import Composed

__all__ = ["Chain", "Distinct", "Everything", "Heuristic", "LearnedScreening", "Screening"]


class Screening(Protocol):
    """Leaves out candidates before anything is paid for them. A screening is one method:

    class AtMost:
        '''Keeps the first few.'''

        def keep(self, run, candidates):
            for each in candidates[3:]:
                run.archive.reject(each, "there were three before it")
            return candidates[:3]
    """

    def keep(self, run: Run, candidates: list[ModuleCandidate]) -> list[ModuleCandidate]:
        """Those to be run; the others are rejected in the archive, with the reason."""
        ...


class Everything:
    """Leaves out none."""

    def keep(self, run: Run, candidates: list[ModuleCandidate]) -> list[ModuleCandidate]:
        """All of them."""
        return candidates


class Distinct:
    """Leaves out candidates with the values of another: what is known of that is not paid for again."""

    def keep(self, run: Run, candidates: list[ModuleCandidate]) -> list[ModuleCandidate]:
        """The first of those that are equal, if it is none of an earlier step."""
        kept: list[ModuleCandidate] = []
        for each in candidates:
            twin = run.archive.twin_of(each)
            if twin is None or twin is each:
                kept.append(each)
            else:
                run.archive.reject(each, f"the same values as candidate {twin.number}")
        return kept


class Chain(Composed):
    """Several screenings, one after the other: each sees what those before it kept."""

    def keep(self, run: Run, candidates: list[ModuleCandidate]) -> list[ModuleCandidate]:
        """Those that all keep."""
        for each in self.parts:
            candidates = each.keep(run, candidates) if candidates else []
        return candidates


class Heuristic:
    """Leaves out candidates that a function of yours thinks little of, such as a rule on the length of a prompt.

        Heuristic(lambda values: -len(values["prompt"]), at_least=-2000)

    Args:
        score: takes a candidate's values by name, returns a number.
        at_least: what it must be.
        keep: how many are kept in a step, at most, those with the highest numbers; None for all.
    """

    def __init__(
        self, score: Callable[[Mapping[str, Any]], float], *, at_least: float | None = None, keep: int | None = None
    ) -> None:
        if not callable(score):
            raise TypeError(f"score must be a function of the values by name, got {score!r}.")
        if keep is not None and (isinstance(keep, bool) or not isinstance(keep, int) or keep < 1):
            raise ValueError(f"keep must be an int >= 1 or None, got {keep!r}.")
        self.score, self.at_least, self.count = score, at_least, keep

    def keep(self, run: Run, candidates: list[ModuleCandidate]) -> list[ModuleCandidate]:
        """Those that it thinks enough of."""
        numbers = {each.number: float(self.score(each.values)) for each in candidates}
        good = [each for each in candidates if self.at_least is None or numbers[each.number] >= self.at_least]
        top = sorted(good, key=lambda each: (-numbers[each.number], each.number))[: self.count]
        kept = {each.number for each in top}
        for each in candidates:
            if each.number not in kept:
                run.archive.reject(each, f"the heuristic gives it {numbers[each.number]:.4g}")
        return [each for each in candidates if each.number in kept]


class LearnedScreening:
    """Leaves out candidates whose predicted score is low; the prediction is learned from those that were evaluated.

    PROMST's sampling by a learned score model (arXiv 2402.08702): a candidate is run if the score that the model
    predicts for it, plus the model's own error, reaches a part of the highest score so far. Here the model is ridge
    regression on hashed n-grams of the values: it is fitted in milliseconds, anew for each step from what the archive
    holds, so there is no other state.

    It learns from every candidate that was run at all, also on a minibatch only: where it was not run, it is taken to
    score what its parent does. It does nothing before there are `least` of them; its error is measured by predicting
    each of them from the others; and where that is not better than predicting their mean, it does nothing either. At
    least one candidate of a step is kept: it acts where `num_proposals` or the number of parents is above one.

    Args:
        threshold: the part of the highest score, above the lowest seen, that is to be reached.
        least: from how many evaluated candidates on it is active.
        most: how many evaluated candidates, the latest ones, it learns from.
    """

    def __init__(self, threshold: float = 0.9, *, least: int = 10, most: int = 300) -> None:
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold must be a part, from 0 to 1, got {threshold!r}.")
        self.threshold = threshold
        self.least, self.most = checked_count("least", least, least=4), checked_count("most", most, least=4)

    def keep(self, run: Run, candidates: list[ModuleCandidate]) -> list[ModuleCandidate]:
        """Those that may be good; all of them while the model knows too little."""
        model = self.model(run)
        if model is None or not model.skilled or not candidates:
            return candidates
        predicted = dict(zip(candidates, model.predict([_text(each) for each in candidates]), strict=True))
        needed = model.lowest + self.threshold * (model.highest - model.lowest) - model.error
        kept = [each for each in candidates if predicted[each] >= needed]
        if not kept:
            kept = [max(candidates, key=lambda each: (predicted[each], -each.number))]
        for each in candidates:
            if each not in kept:
                verdict = f"predicted to score {predicted[each]:.4g}, give or take {model.error:.2g}"
                run.archive.reject(each, f"{verdict}; {needed:.4g} was asked for")
        return kept

    def model(self, run: Run) -> ScoreModel | None:
        """The model of this step; None while there are too few candidates to learn from."""
        found = ((each, _estimate(run, each)) for each in reversed(run.archive))
        known = list(islice(((each, score) for each, score in found if not math.isnan(score)), self.most))
        if len(known) < self.least:
            return None
        return ScoreModel([_text(each) for each, _ in known], [score for _, score in known])


def _estimate(run: Run, candidate: ModuleCandidate) -> float:
    """The mean of what a candidate scores, or its parent where it was not run; NaN where it was run nowhere."""
    estimates = run.archive.fronts(run.validation)
    if candidate.status == "accepted":
        return estimates.estimate(candidate)
    split = run.validation if candidate.table(run.validation) else "train"
    table, scores = candidate.table(split), run.archive.fronts(split)
    if not table or not candidate.parents:
        return math.nan
    parent = candidate.parents[0]
    gains = [table.mean_at(place) - old for place in table if (old := scores.score_at(parent, place)) is not None]
    return estimates.estimate(parent) + math.fsum(gains) / len(run.data.split(split))


def _text(candidate: ModuleCandidate) -> dict[str, str]:
    return {name: str(value) for name, value in candidate.values.items()}
