"""How new candidates are proposed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from opto.trainer.candidates import ModuleCandidate
from opto.trainer.objectives import to_scalar_score
from opto.trainer.run import Run, Sample

__all__ = ["Proposer", "Reflection"]


class Proposer(Protocol):
    """Makes new candidates of parents. A proposer is one method:

    class Shorter:
        '''Drops the last word of a prompt.'''

        def propose(self, run, parents, places):
            prompt, = run.stages[0].originals
            return [
                run.new({prompt: parent.update_dict[prompt].rpartition(" ")[0]}, parents=[parent], reason="shorter")
                for parent in parents
            ]
    """

    def propose(self, run: Run, parents: Sequence[ModuleCandidate], places: Sequence[int]) -> list[ModuleCandidate]:
        """Candidates, made by `run.new`; none where there is nothing to propose."""
        ...


class Reflection:
    """Runs the parents on training examples, sends the feedback back through their graphs, and asks the optimizer.

    Args:
        skip_perfect: whether a parent that has the highest score on all of the examples is left as it is, where the
            highest score is known (`score_range`).
    """

    def __init__(self, *, skip_perfect: bool = True) -> None:
        self.skip_perfect = skip_perfect

    def propose(self, run: Run, parents: Sequence[ModuleCandidate], places: Sequence[int]) -> list[ModuleCandidate]:
        """`num_proposals` candidates for each parent; all parents side by side where the program can be copied."""
        at_once = len(parents) if run.stages.copyable else 1
        made: list[ModuleCandidate] = []
        for start in range(0, len(parents), max(1, at_once)):
            samples = run.roll_out(parents[start : start + at_once], places)
            faulty = [each for each in samples if not (self.skip_perfect and _is_perfect(run, each))]
            made += run.propose(faulty, run.plan.num_proposals)
        return made


def _is_perfect(run: Run, sample: Sample) -> bool:
    if run.plan.score_range is None:
        return False
    highest = run.plan.score_range[1]
    return all(to_scalar_score(each.score, run.plan.objective_config) >= highest for each in sample.rollouts)
