"""The run that `tests.stress.training` kills, as a child process: it begins, or goes on with, a run in a folder.

    python -m tests.stress.training_run FOLDER STEPS ALGORITHM

Every run of the program leaves a byte in FOLDER/executed when it begins, whatever comes of it. The model answers by a
hash of the whole request, so any difference in what it is shown leads to another run. The last line says how it ended.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from opto.llm import as_model
from opto.optimizers import OptoPrime
from opto.trace import Module, bundle, node
from opto.trainer.algorithms.minibatch import BasicSearch, Minibatch
from opto.trainer.loggers import BaseLogger

THREADS = 4


class Quiet(BaseLogger):
    """Logs nothing."""

    def log(self, name: str, data: Any, step: int, **kwargs: Any) -> None:
        """Nothing."""


@bundle()
def scaled(x: float, slope: float, shift: float) -> float:
    """A line."""
    return slope * x + shift


@bundle()
def clipped(y: float, low: float) -> float:
    """Not below `low`."""
    if y > 900:
        raise ValueError("too large")
    return max(y, low)


class Line(Module):
    """A line with a floor; its runs are counted in a file."""

    def __init__(self) -> None:
        self.slope = node(0.0, trainable=True, name="slope")
        self.shift = node(0.0, trainable=True, name="shift")
        self.low = node(-50.0, trainable=True, name="low")

    def forward(self, x: float) -> Any:
        """The value at `x`."""
        os.write(EXECUTED, b".")
        return clipped(scaled(x, self.slope, self.shift), self.low)


def guide(query: float, response: float, reference: float) -> tuple[float, str]:
    """How near, and which way."""
    miss = response - reference
    return 1 / (1 + abs(miss)), f"{abs(miss):.3f} too {'high' if miss > 0 else 'low'}"


def answer(messages: Any, **options: Any) -> str:
    """New values by a hash of the request."""
    digest = hashlib.sha256(json.dumps([messages, options], sort_keys=True, default=str).encode()).digest()
    values = {"slope0": digest[0] % 9 - 4.0, "shift0": digest[1] % 21 - 10.0, "low0": digest[2] % 30 - 40.0}
    chosen = dict(list(values.items())[digest[3] % 3 :]) or values
    if digest[4] % 50 == 0:
        chosen["shift0"] = 5000.0  # a program that fails
    return json.dumps({"reasoning": "", "answer": "", "suggestion": chosen})


def algorithm(name: str, program: Line, optimizer: OptoPrime) -> Any:
    """The algorithm to be killed."""
    kinds = {"BasicSearch": BasicSearch, "Minibatch": Minibatch}
    if name not in kinds:
        from opto.trainer import algorithms

        kinds[name] = getattr(algorithms, name)
    return kinds[name](program, optimizer, num_threads=THREADS, logger=Quiet())


def main(folder: str, steps: str, name: str) -> None:
    """Begin the run, or go on with it."""
    global EXECUTED  # noqa: PLW0603  # the program of this process writes there
    EXECUTED = os.open(Path(folder) / "executed", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    program = Line()
    optimizer = OptoPrime(program.parameters(), as_model(answer), memory_size=2)
    data = {"inputs": [float(x) for x in range(-6, 6)], "infos": [max(2.0 * x + 3.0, -5.0) for x in range(-6, 6)]}
    where = Path(folder) / "run"
    outcome = algorithm(name, program, optimizer).train(
        guide,
        data,
        num_steps=int(steps),
        batch_size=3,
        num_proposals=2,
        seed=7,
        run_dir=where,
        resume=(where / "state.json").exists(),
    )
    told = {
        "best": [outcome.best.number, *outcome.best.values.values()],
        "score": repr(outcome.score),
        "evaluations": outcome.evaluations,
        "steps": outcome.steps,
        "stopped": outcome.stopped,
        "archive": hashlib.sha256(
            repr(
                [(list(each.values.values()), each.status, each.verdict, each.step) for each in outcome.archive]
            ).encode()
        ).hexdigest(),
    }
    sys.stdout.write(json.dumps(told) + "\n")


EXECUTED = -1

if __name__ == "__main__":
    main(*sys.argv[1:4])
