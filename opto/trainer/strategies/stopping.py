"""When a run ends."""

from __future__ import annotations

from typing import Protocol

from opto.trainer.run import Run

__all__ = ["Epochs", "Evaluations", "Patience", "Steps", "Stopping", "Target", "planned"]


class Stopping(Protocol):
    """Says when a run ends. A stopping rule is one method:

    class Crowded:
        '''Ends a run when there are many candidates.'''

        def reached(self, run):
            return "there are 100 candidates" if len(run.archive) >= 100 else None
    """

    def reached(self, run: Run) -> str | None:
        """Why the run ends now, in words; None where it goes on. Asked before each step."""
        ...


class Steps:
    """Ends a run after a number of steps."""

    def __init__(self, count: int) -> None:
        self.count = count

    def reached(self, run: Run) -> str | None:
        """Whether so many are completed."""
        return (
            f"{self.count} step{' is' if self.count == 1 else 's are'} done" if run.counts.steps >= self.count else None
        )


class Epochs:
    """Ends a run when the training examples were gone through a number of times."""

    def __init__(self, count: int) -> None:
        self.count = count

    def reached(self, run: Run) -> str | None:
        """Whether the loader has gone through them as often."""
        return (
            f"{self.count} epoch{' is' if self.count == 1 else 's are'} done"
            if run.loader.n_epochs >= self.count
            else None
        )


class Evaluations:
    """Ends a run when its evaluations are used up."""

    def reached(self, run: Run) -> str | None:
        """Whether none is left."""
        return "all evaluations are used up" if run.remaining == 0 else None


class Target:
    """Ends a run when the best candidate's mean score is high enough."""

    def __init__(self, score: float) -> None:
        self.score = score

    def reached(self, run: Run) -> str | None:
        """Whether it is; a candidate that was not evaluated has no score."""
        found = run.score(run.best)
        return f"the target score {self.score:g} is reached" if found >= self.score else None


class Patience:
    """Ends a run after a number of steps without a better candidate."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def reached(self, run: Run) -> str | None:
        """Whether the last replacement of the best is so long ago."""
        idle = run.counts.steps - run.counts.improved
        return (
            f"{self.steps} step{'' if self.steps == 1 else 's'} brought nothing better" if idle >= self.steps else None
        )


def planned(run: Run) -> list[Stopping]:
    """The rules that a run's plan asks for."""
    plan = run.plan
    rules: list[Stopping] = []
    if plan.target_score is not None:
        rules.append(Target(plan.target_score))
    if plan.num_steps is not None:
        rules.append(Steps(plan.num_steps))
    if plan.epochs is not None:
        rules.append(Epochs(plan.epochs))
    if plan.max_evaluations is not None:
        rules.append(Evaluations())
    if plan.patience is not None:
        rules.append(Patience(plan.patience))
    return rules
