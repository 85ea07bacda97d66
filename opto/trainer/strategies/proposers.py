"""How new candidates are proposed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from opto.optimizers.few_shot import FewShot
from opto.optimizers.updates import same_value
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.objectives import to_scalar_score
from opto.trainer.run import Run, Sample
from opto.trainer.strategies.composed import Composed
from opto.trainer.strategies.demonstrations import Demonstrations
from opto.trainer.strategies.parents import draw_by_weight

__all__ = ["FirstOf", "Merge", "Proposer", "Reflection", "merged"]


_TRIES = 10
"""How many pairs are drawn, at most, to find one that can be merged."""


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

    Where the optimizer is a `FewShot` and there are validation examples, sets of demonstrations are proposed as
    candidates instead (`Demonstrations`): the optimizer's own competition of sets expects that whatever it proposes is
    run next.

    A parent that has the highest score on all of the examples is left as it is, where that is known (`score_range`).

    Args:
        modules: which parameters a step may change: "all", or one after the other in "round_robin" (GEPA's module
            selection, arXiv 2507.19457, section 3.2).
    """

    def __init__(self, *, modules: str = "all") -> None:
        if modules not in ("all", "round_robin"):
            raise ValueError(f"modules must be 'all' or 'round_robin', got {modules!r}.")
        self.modules = modules

    def propose(self, run: Run, parents: Sequence[ModuleCandidate], places: Sequence[int]) -> list[ModuleCandidate]:
        """`num_proposals` candidates for each parent; all parents side by side where the program can be copied."""
        if isinstance(run.stages[0].optimizer, FewShot) and run.data.validate is not None:
            return Demonstrations(run.plan.num_proposals).propose(run, parents, places)
        at_once = len(parents) if run.stages.copyable else 1
        made: list[ModuleCandidate] = []
        only = self._chosen(run)
        for start in range(0, len(parents), max(1, at_once)):
            samples = run.roll_out(parents[start : start + at_once], places)
            faulty = [each for each in samples if not _is_perfect(run, each)]
            made += run.propose(faulty, run.plan.num_proposals, only=[only] * len(faulty))
        return made

    def _chosen(self, run: Run) -> list[Any] | None:
        if self.modules == "all":
            return None
        trainable = [each for each in run.stages[0].optimizer.parameters if each.trainable]
        return [trainable[run.counts.steps % len(trainable)]] if trainable else None


class Merge:
    """Puts two candidates of the Pareto fronts together that learned different things since they had an ancestor in
    common: each parameter from the one that changed it, or from the better one where both did.

    GEPA's system-aware merge (arXiv 2507.19457, appendix). It is of use for programs with several parameters. Nothing
    is run for it. It is tried in steps after one in which a candidate was accepted: before that there is nothing new to
    merge. `OnFronts` has merged candidates checked on a few validation examples before it pays for all.

    Args:
        most: how many are proposed in a run, at most; None for any number.
    """

    def __init__(self, *, most: int | None = 5) -> None:
        self.most = most

    def propose(self, run: Run, parents: Sequence[ModuleCandidate], places: Sequence[int]) -> list[ModuleCandidate]:
        """One candidate whose parents are the two, the better one first; none where no pair is found."""
        archive = run.archive
        if archive.accepted[-1].step != run.counts.steps:
            return []
        if self.most is not None and archive.merges >= self.most:
            return []
        counts = archive.fronts(run.validation).counts()
        for _ in range(_TRIES if len(counts) > 1 else 0):
            drawn = draw_by_weight(run, {number: float(count) for number, count in counts.items()}, 2)
            better, other = sorted((archive[number] for number in drawn), key=lambda each: (-run.score(each), each))
            values = merged(better, other)
            if values and run.twin_of({**better.update_dict, **values}) is None:
                numbers = f"{better.number} and {other.number}"
                return [run.new(values, parents=[better, other], reason=f"merge of candidates {numbers}")]
        return []


def merged(better: ModuleCandidate, other: ModuleCandidate) -> dict[Any, Any]:
    """What a candidate takes over from another: the values that the other changed since their youngest common ancestor
    and it did not; {} where it changed nothing itself, or there is no such ancestor.
    """
    ours, theirs = _ancestors(better), _ancestors(other)
    if better.number in theirs or other.number in ours:
        return {}
    common = ours.keys() & theirs.keys()
    if not common:
        return {}
    before = ours[max(common)].update_dict
    mine = [each for each, value in better.update_dict.items() if not same_value(value, before[each])]
    taken = {
        each: value
        for each, value in other.update_dict.items()
        if not same_value(value, before[each]) and same_value(better.update_dict[each], before[each])
    }
    return taken if mine else {}


class FirstOf(Composed):
    """Several proposers; in each step the first that proposes something."""

    def propose(self, run: Run, parents: Sequence[ModuleCandidate], places: Sequence[int]) -> list[ModuleCandidate]:
        """What the first of them proposes that proposes anything."""
        return next((made for each in self.parts if (made := each.propose(run, parents, places))), [])


def _ancestors(candidate: ModuleCandidate) -> dict[int, ModuleCandidate]:
    """All that a candidate comes from, by number."""
    found: dict[int, ModuleCandidate] = {}
    waiting = list(candidate.parents)
    while waiting:
        each = waiting.pop()
        if each.number not in found:
            found[each.number] = each
            waiting.extend(each.parents)
    return found


def _is_perfect(run: Run, sample: Sample) -> bool:
    highest = run.plan.highest
    if highest is None:
        return False
    return all(to_scalar_score(each.score, run.plan.objective_config) >= highest for each in sample.rollouts)
