"""What is learned from candidates that were run on training examples, whether they were accepted or not."""

from __future__ import annotations

from opto.trainer.run import Run

__all__ = ["teach"]


def teach(run: Run) -> None:
    """Let optimizers with a memory know what was said of this step's candidates on its minibatch.

    It was paid for, and tells what not to propose again from the same parent. An optimizer takes part by a method
    `remember(values, remarks)`.
    """
    optimizers = [(stage, getattr(stage.optimizer, "remember", None)) for stage in run.stages]
    for number, said in run.said.items():
        candidate = run.archive[number]
        remarks = [each for each in said.values() if each is not None]
        if candidate.step != run.counts.steps + 1 or not remarks:
            continue
        for stage, remember in optimizers:
            if remember is not None:
                remember(stage.values_of(candidate), remarks)
