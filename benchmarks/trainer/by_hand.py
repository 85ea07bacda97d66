"""The loop that one writes without a training algorithm."""

from __future__ import annotations

from typing import Any

from traced import METER, Judge, Program, dataset
from training_problem import Meter, TrainingProblem

from opto.optimizers import OptoPrime
from opto.trace import GRAPH
from opto.trainer import DataLoader, Sampler

__all__ = ["MINIBATCH", "by_hand"]

MINIBATCH = 3
"""How many examples a step has, as in gepa."""


def by_hand(problem: TrainingProblem, meter: Meter, model: Any, seed: int, *, memory: int) -> dict[str, Any]:
    """A plain loop: a minibatch, a step of OptoPrime, a validation; the best validated values are believed best.

    There is no step, and no validation, where all scores of the minibatch are perfect.

    Args:
        problem: what is trained.
        meter: of its evaluations.
        model: proposes.
        seed: of the loop.
        memory: how many past values the optimizer shows.
    """
    GRAPH.clear()  # so that names, and with them requests, do not depend on what ran before
    METER.set(meter)
    program, judge = Program(problem), Judge()
    optimizer = OptoPrime(program.parameters(), model, memory_size=memory)
    training = Sampler(DataLoader(dataset(problem.train), batch_size=MINIBATCH, seed=seed), judge)
    size = len(problem.validation)
    validating = Sampler(DataLoader(dataset(problem.validation), batch_size=size, seed=seed), judge)
    best, steps, changed = -1.0, 0, True
    while True:
        if changed:
            scores = validating.sample([program])[0][0].get_scores()
            if sum(scores) / size > best:
                best = sum(scores) / size
                meter.believe(program.values())
        if meter.count + MINIBATCH + size > problem.budget:
            return {"candidates": steps + 1}
        batch = training.sample([program])[0][0]
        changed = min(batch.get_scores()) < 1.0
        if changed:
            optimizer.zero_feedback()
            for rollout in batch:
                optimizer.backward(rollout.target, rollout.feedback)
            optimizer.step()
            steps += 1
