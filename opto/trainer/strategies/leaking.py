"""Candidates that copy training examples into what is trained: reported, or rejected before they are run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opto.runs import tell
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.run import Run
from opto.trainer.strategies.composed import Composed
from opto.trainer.strategies.screening import Screening

if TYPE_CHECKING:
    from opto.trainer.leaks.guard import LeakGuard

__all__ = ["Guarded"]


class Guarded(Composed):
    """Looks for copied examples in each candidate, as `plan.on_leak` says, and leaves the rest to another screening.

    A parameter that holds a list may hold examples: demonstrations are such lists.

    Args:
        inner: screens those that are left.
    """

    def __init__(self, inner: Screening) -> None:
        super().__init__(inner)
        self.inner = inner
        self._run: Run | None = None
        self._guard: LeakGuard | None = None

    def keep(self, run: Run, candidates: list[ModuleCandidate]) -> list[ModuleCandidate]:
        """Those to be run; `leaks` of each says what it copies."""
        if run.plan.on_leak == "ignore":
            return self.inner.keep(run, candidates)
        clean = []
        for each in candidates:
            self._look(run, each)
            if each.leaks and run.plan.on_leak == "reject":
                run.archive.reject(each, f"it copies training examples: {each.leaks[0]}")
            else:
                clean.append(each)
        return self.inner.keep(run, clean)

    def _look(self, run: Run, candidate: ModuleCandidate) -> None:
        before = candidate.parents[0].update_dict if candidate.parents else {}
        changed = {
            each: value
            for each, value in candidate.update_dict.items()
            if isinstance(value, (str, dict)) and value != before.get(each)
        }
        if not changed:
            return
        found = self._guard_of(run).check(
            {each.py_name: value for each, value in changed.items()},
            {each.py_name: before[each] for each in changed if each in before},
        )
        if found:
            candidate.leaks = [str(each) for each in found]
            run.archive.touch(candidate)
            tell("leak", {"candidate": candidate.number, "leaks": candidate.leaks})

    def _guard_of(self, run: Run) -> LeakGuard:
        if self._guard is None or self._run is not run:
            from opto.trainer.leaks.guard import LeakGuard

            examples = ((place, x, info) for place, (x, info) in enumerate(run.data.train))
            self._run, self._guard = run, LeakGuard(examples)
        return self._guard
