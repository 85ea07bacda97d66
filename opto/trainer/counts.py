"""What a run has done so far, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Counts"]


@dataclass
class Counts:
    """What a run has done so far; it is saved with every step.

    Attributes:
        steps: how many were completed.
        evaluations: runs of the program on an example, those for feedback and those for scores.
        failures: steps in a row in which every proposal failed.
        improved: the step in which the best candidate was last replaced.
    """

    steps: int = 0
    evaluations: int = 0
    failures: int = 0
    improved: int = 0
