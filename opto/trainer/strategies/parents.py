"""How to pick the candidates that new ones are made from."""

from __future__ import annotations

from typing import Protocol

from opto.trainer.candidates import ModuleCandidate
from opto.trainer.run import Run

__all__ = ["Best", "Latest", "ParentSelector"]


class ParentSelector(Protocol):
    """Picks parents. A selector is one method:

    class Oldest:
        '''Always goes back to the beginning.'''

        def pick(self, run):
            return [run.archive.accepted[0]]

    It draws from `run.random` only. One that keeps a state has `state_dict` and `load_state_dict` besides.
    """

    def pick(self, run: Run) -> list[ModuleCandidate]:
        """At least one accepted candidate, the first being the most important."""
        ...


class Best:
    """The best candidate so far."""

    def pick(self, run: Run) -> list[ModuleCandidate]:
        """The one that the run would end with."""
        return [run.best]


class Latest:
    """The candidate that was accepted last."""

    def pick(self, run: Run) -> list[ModuleCandidate]:
        """The end of the list."""
        return [run.archive.accepted[-1]]
