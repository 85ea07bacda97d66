"""What comes of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opto.llm.totals import Totals
from opto.trainer.archive import Archive
from opto.trainer.candidates import ModuleCandidate

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
        held_out: the mean score on the test examples, with its interval; None without test examples.
        gap: `score` less the mean on the test examples, with its interval; None without test examples.
        archive: all candidates.
        usage: what model calls took.
        interrupted: whether Ctrl-C or a signal ended the run.
    """

    best: ModuleCandidate
    stopped: str
    steps: int
    evaluations: int
    score: float
    start: float
    held_out: Any
    gap: Any
    archive: Archive
    usage: Totals
    interrupted: bool = False

    def __str__(self) -> str:
        lines = [
            f"{self.stopped}: {self.steps} steps, {self.evaluations} evaluations, {len(self.archive)} candidates",
            f"score {self.start:.4g} -> {self.score:.4g} (candidate {self.best.number}: {self.best.verdict})",
        ]
        if self.held_out is not None:
            lines.append(f"held-out score {self.held_out}, gap to validation {self.gap}")
        if self.best.leaks:
            lines.append(f"it copies training answers: {'; '.join(self.best.leaks)}")
        return "\n".join(lines)
