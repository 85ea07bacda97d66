"""What comes of a training run."""

from __future__ import annotations

import math
from dataclasses import dataclass

from opto.llm.totals import Totals
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.evidence.comparing import Gap, Interval, gap, interval
from opto.trainer.pool.archive import Archive
from opto.trainer.progress.words import plural
from opto.trainer.run import Run

__all__ = ["Outcome"]


@dataclass(frozen=True)
class Outcome:
    """How a training run ended; the program has the values of the best candidate then.

    Attributes:
        best: that candidate.
        stopped: why the run ended, in words.
        steps: how many were completed.
        evaluations: runs of the program on an example, those for feedback and those for scores; held-out ones besides.
        score: the mean score of the best candidate on the examples that candidates were compared on; NaN where it was
            not evaluated.
        start: the same of the initial values.
        held_out: the mean score on the test examples, with its interval; None where it was not measured.
        gap: `score` less the mean on the test examples, with its interval; None where either was not measured.
        archive: all candidates.
        usage: what model calls took.
        interrupted: whether Ctrl-C or a signal ended the run.
        notes: what is to be known besides, a sentence each.
    """

    best: ModuleCandidate
    stopped: str
    steps: int
    evaluations: int
    score: float
    start: float
    held_out: Interval | None
    gap: Gap | None
    archive: Archive
    usage: Totals
    interrupted: bool = False
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, run: Run, stopped: str, *, interrupted: bool = False, notes: tuple[str, ...] = ()) -> Outcome:
        """The outcome of a run as it is now; the held-out score is that of the test examples that were evaluated."""
        plan, best = run.plan, run.best
        held = best.table("test").numbers()
        known = best.table(run.validation).numbers()
        numbers = plan.score_range if plan.objective_config is None else None
        score_range = numbers if numbers is not None and all(map(math.isfinite, numbers)) else None
        return cls(
            best=best,
            stopped=stopped,
            steps=run.counts.steps,
            evaluations=run.counts.evaluations,
            score=run.score(best),
            start=run.score(run.archive[0]),
            held_out=interval(held, score_range=score_range) if held else None,
            gap=gap(known, held, score_range=score_range) if held and known else None,
            archive=run.archive,
            usage=run.usage,
            interrupted=interrupted,
            notes=notes,
        )

    def __str__(self) -> str:
        lines = [
            f"{self.stopped}: {plural(self.steps, 'step')}, {plural(self.evaluations, 'evaluation')}, "
            f"{plural(len(self.archive), 'candidate')}",
            f"score {_number(self.start)} -> {_number(self.score)} (candidate {self.best.number}: {self.best.verdict})",
        ]
        if self.held_out is not None:
            lines.append(f"held-out score {self.held_out}")
        if self.gap is not None:
            lines.append(str(self.gap))
        if self.best.leaks:
            lines.append(f"it copies training examples: {'; '.join(self.best.leaks)}")
        return "\n".join([*lines, *self.notes])


def _number(score: float) -> str:
    return "unknown" if math.isnan(score) else f"{score:.4g}"
