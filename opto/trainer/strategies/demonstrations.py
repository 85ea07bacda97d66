"""Candidates that differ in the demonstrations they are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opto.optimizers.few_shot import FewShot
from opto.optimizers.options import checked_count
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.objectives import to_scalar_score
from opto.trainer.run import Run

__all__ = ["Demonstrations"]


class Demonstrations:
    """Harvests demonstrations from rollouts that went well, and proposes sets of them.

    Bootstrapped demonstrations with random search, after DSPy (arXiv 2310.03714). The parent is run on training
    examples; the traced calls of runs that score at least `good` go into the pool of the `FewShot` optimizer, beside
    what it was given as labelled examples. New sets are then drawn from the pool: half of them whole, half of them the
    parent's with one demonstration exchanged. The optimizer's own competition of sets does not take part: sets are
    candidates like others, and the acceptance judges them.

    Args:
        sets: how many sets are proposed in a step.
    """

    def __init__(self, sets: int = 4) -> None:
        self.sets = checked_count("sets", sets)

    def propose(self, run: Run, parents: Sequence[ModuleCandidate], places: Sequence[int]) -> list[ModuleCandidate]:
        """So many candidates, made from the first parent; fewer where the pool holds too little that is new.

        Raises:
            TypeError: the optimizer is no `FewShot`.
        """
        optimizer = run.stages[0].optimizer
        if not isinstance(optimizer, FewShot):
            raise TypeError(f"the optimizer must be a FewShot, got {optimizer!r}.")
        parent = parents[0]
        for sample in run.roll_out([parent], places):
            for rollout in sample.rollouts:
                optimizer.harvest(rollout.target, to_scalar_score(rollout.score, run.plan.objective_config))
        made: list[ModuleCandidate] = []
        for attempt in range(4 * self.sets):
            if len(made) == self.sets:
                break
            whole = attempt % 2 == 0
            values = _drawn(run, optimizer) if whole else _exchanged(run, optimizer, parent)
            values = {each: value for each, value in values.items() if each.trainable}
            if values and run.twin_of({**parent.update_dict, **values}) is None:
                reason = "demonstrations drawn anew" if whole else "one demonstration exchanged"
                made.append(run.new(values, parents=[parent], reason=reason))
        return made


def _drawn(run: Run, optimizer: FewShot) -> dict[Any, Any]:
    """A set of demonstrations for each parameter."""
    return {
        parameter: run.random.sample(pool, min(optimizer.size, len(pool)))
        for parameter, pool in optimizer.pool.items()
        if pool
    }


def _exchanged(run: Run, optimizer: FewShot, parent: ModuleCandidate) -> dict[Any, Any]:
    """The parent's demonstrations, with one of them exchanged or, where there is room, added."""
    filled = [parameter for parameter, pool in optimizer.pool.items() if pool]
    if not filled:
        return {}
    parameter = run.random.choice(filled)
    changed = list(parent.update_dict[parameter])
    added = run.random.choice(optimizer.pool[parameter])
    if added in changed:
        return {}
    if len(changed) < optimizer.size:
        changed.insert(run.random.randrange(len(changed) + 1), added)
    else:
        changed[run.random.randrange(len(changed))] = added
    return {parameter: changed}
