"""Where and how a run goes on: what pays for it, what is kept of it, what a person sees of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass, fields
from typing import Any

from opto.llm import Budget
from opto.runs import listening
from opto.trainer.plan import Plan
from opto.trainer.progress import Progress
from opto.trainer.progress.progress import MODES
from opto.trainer.results import ResultCache
from opto.trainer.saving.checkpoints import RunFolder

__all__ = ["Surroundings", "as_budget", "checked_folder"]


@dataclass
class Surroundings:
    """See `Search.train` for each."""

    executor: Executor | Callable[[], Executor] | None = None
    timeout: float | None = None
    retries: int = 1
    cache: ResultCache | None = None
    budget: Any = None
    run_dir: str | os.PathLike[str] | RunFolder | None = None
    resume: bool = False
    record: bool = True
    progress: str | Progress | None = "auto"

    def __post_init__(self) -> None:
        self.budget = as_budget(self.budget)
        for name in ("resume", "record"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be True or False, got {getattr(self, name)!r}.")
        if self.cache is not None and not isinstance(self.cache, ResultCache):
            raise TypeError(f"cache must be an opto.trainer.results.ResultCache or None, got {self.cache!r}.")
        if self.progress is not None and not isinstance(self.progress, Progress) and self.progress not in MODES:
            raise ValueError(
                f"progress must be one of {', '.join(map(repr, MODES))}, a Progress or None, got {self.progress!r}."
            )
        if not isinstance(self.run_dir, RunFolder):
            checked_folder(self.run_dir)

    @classmethod
    def names(cls) -> set[str]:
        """The names of all of them."""
        return {each.name for each in fields(cls)}

    def folder(self, stack: ExitStack) -> RunFolder | None:
        """The folder of the run, opened until the stack ends; None where there is none.

        Raises:
            ValueError: it holds a run that is not to be gone on with, or none that could be.
        """
        if self.run_dir is None:
            if self.resume:
                raise ValueError("resume=True needs run_dir, the folder of the run.")
            return None
        given = isinstance(self.run_dir, RunFolder)
        folder = self.run_dir if isinstance(self.run_dir, RunFolder) else RunFolder(self.run_dir)
        if not given:
            stack.callback(folder.close)
        if not self.resume:
            folder.begin_anew()
        elif not folder.begun:
            raise ValueError(f"run_dir {os.fspath(folder.path)!r} holds no run that could be gone on with.")
        folder.charge(self.budget)
        return folder

    def shown(self, stack: ExitStack, plan: Plan) -> Progress:
        """The progress of the run, shown until the stack ends."""
        progress = self.progress
        if not isinstance(progress, Progress):
            mode = "off" if progress is None else progress
            progress = Progress(total_steps=plan.num_steps, budget=self.budget, mode=mode)
        stack.enter_context(progress)
        stack.enter_context(listening(progress))
        return progress

    def recorded(self, stack: ExitStack, folder: RunFolder | None) -> None:
        """Write what is heard of the run into its folder, until the stack ends."""
        if folder is not None and self.record:
            from opto.optimizers.records import record

            stack.enter_context(record(folder.path))

    @property
    def limits(self) -> dict[str, float]:
        """Those of the budget."""
        return {} if self.budget is None else self.budget.limits


def as_budget(budget: Any) -> Budget | None:
    """A budget of a budget or of a dict of its limits.

    Raises:
        TypeError: it is neither, or a limit is not known.
        ValueError: a limit is no number >= 0.
    """
    if budget is None or isinstance(budget, Budget):
        return budget
    if not isinstance(budget, dict):
        raise TypeError(f"budget must be an opto.llm.Budget, or its limits as a dict, got {budget!r}.")
    known = ("usd", "tokens", "calls", "seconds", "prices")
    unknown = [name for name in budget if name not in known]
    if unknown:
        raise TypeError(f"budget has no limit {unknown[0]!r}: it has usd, tokens, calls and seconds.")
    return Budget(**budget)


def checked_folder(run_dir: Any) -> None:
    """Refuse what names no folder.

    Raises:
        TypeError: it is no path.
        ValueError: it is an empty one, which would be the folder that the process happens to be in.
    """
    if run_dir is None:
        return
    if not isinstance(run_dir, (str, os.PathLike)):
        raise TypeError(f"run_dir must be the path of a folder or None, got {run_dir!r}.")
    if os.fspath(run_dir) == "":
        raise ValueError("run_dir must name a folder, got ''; give '.' for the current one, None to keep nothing.")
