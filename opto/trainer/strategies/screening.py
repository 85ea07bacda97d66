"""Which candidates are worth running at all."""

from __future__ import annotations

from typing import Protocol

from opto.trainer.candidates import ModuleCandidate
from opto.trainer.run import Run

__all__ = ["Everything", "Screening"]


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
