"""A run under way in its folder, which somebody may interrupt."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opto.errors import OptoWarning
from opto.trace.nodes import ParameterNode
from opto.trainer.interrupts import Interrupts
from opto.trainer.outcomes import Outcome
from opto.trainer.run import Run
from opto.trainer.saving.checkpoints import RunFolder
from opto.trainer.surroundings import Surroundings

__all__ = ["Session", "alone_in_training", "compared_with"]

_training: set[tuple[int, int]] = set()  # processes and parameters: a forked process may train its own
_lock = threading.Lock()


@dataclass
class Session:
    """From the beginning, or from going on, to the end of a run.

    Attributes:
        folder: where it is saved; None for nowhere.
        around: where and how it goes on.
        interrupts: whether somebody wants it to end.
        limits: all that may end it, by name.
        known: its outcome, where there is nothing more to do.
    """

    folder: RunFolder | None
    around: Surroundings
    interrupts: Interrupts
    limits: dict[str, Any]
    known: Outcome | None = None

    def begin(self, number: int) -> None:
        """Begin a step, or begin one again that was killed: what it had bought is there."""
        if self.folder is not None:
            self.folder.journal.begin(number)

    def save(self, run: Run, about: Mapping[str, Any]) -> None:
        """Save what a step brought."""
        if self.folder is not None:
            self.folder.save(run, about, self.around.budget)

    def end(self, run: Run, about: Mapping[str, Any], ended: Mapping[str, Any]) -> None:
        """Save how it ended, so that its outcome can be read until there is more to do."""
        if self.folder is not None:
            self.folder.end(run, about, self.around.budget, {**ended, "limits": self.limits})

    def note_spent(self) -> None:
        """Save what was spent since the last step."""
        if self.folder is not None:
            self.folder.note_spent(self.around.budget)


@contextmanager
def alone_in_training(parameters: Iterable[ParameterNode[Any]]) -> Iterator[None]:
    """A block in which no other run trains these parameters: each would put its candidates in the place of the other's.

    Raises:
        ValueError: one of them is being trained.
    """
    mine = {(os.getpid(), id(each)): each.py_name for each in parameters}
    with _lock:
        taken = [name for key, name in mine.items() if key in _training]
        if taken:
            raise ValueError(
                f"model must not be in training, but another run of this process trains its {', '.join(taken)}: wait "
                "until that ends, or train another object of the program, such as copy.deepcopy(model)."
            )
        _training.update(mine)
    try:
        yield
    finally:
        with _lock:
            _training.difference_update(mine)


def compared_with(began: Mapping[str, str], seen: dict[str, str]) -> dict[str, str]:
    """Warn of parts that are others than when the run began; scores from before are kept all the same.

    Args:
        began: fingerprints of parts by name, those of the beginning; {} at the beginning.
        seen: those of now, which are returned.
    """
    for name in [each for each in seen if began.get(each, seen[each]) != seen[each]]:
        warnings.warn(
            f"{name} was changed since the run began: scores from before are compared with those of now. Where they "
            "must not be, begin a new run in another folder.",
            OptoWarning,
            stacklevel=2,
        )
    return seen
