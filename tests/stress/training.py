"""Training runs that are killed at random moments and gone on with: they must end as if nothing had happened.

    python -m tests.stress.training [--kills N] [--seed N] [--steps N] [--algorithms NAMES]

A run of 200 steps is done once without interruption. Then it is done again and again, each time killed with SIGKILL at
a moment drawn from its whole length, and gone on with from its folder. A kill fails when the result, the candidates, or
the count of evaluations is not that of the uninterrupted run, or when the program was run more often than that by more
than what was under way when it was killed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from .training_run import THREADS

QUICK = ("BasicSearch", "Minibatch")
"""Those that `test_training` kills."""

ALGORITHMS = (*QUICK, "GEPA", "PrioritySearch")
_ROOT = Path(__file__).parents[2]


@dataclass
class Whole:
    """The run that nothing interrupted.

    Attributes:
        told: how it ended.
        executed: how often the program was run.
        seconds: how long it took from its first run of the program to its end.
    """

    told: dict[str, Any]
    executed: int
    seconds: float


def started(folder: Path, steps: int, algorithm: str) -> subprocess.Popen[str]:
    """The child, beginning or going on."""
    command = [sys.executable, "-m", "tests.stress.training_run", str(folder), str(steps), algorithm]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    return subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def executed(folder: Path) -> int:
    """How often the program was run."""
    try:
        return (folder / "executed").stat().st_size
    except FileNotFoundError:
        return 0


def ended(child: subprocess.Popen[str]) -> dict[str, Any]:
    """How the run ended.

    Raises:
        RuntimeError: the child failed.
    """
    output, _ = child.communicate(timeout=600)
    if child.returncode:
        raise RuntimeError(f"the run ended with status {child.returncode}")
    told: dict[str, Any] = json.loads(output.splitlines()[-1])
    return told


def whole(steps: int, algorithm: str) -> Whole:
    """The run without a kill."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        child = started(folder, steps, algorithm)
        begun = _begun(folder, child)
        told = ended(child)
        return Whole(told, executed(folder), time.monotonic() - begun)


def killed(expected: Whole, steps: int, algorithm: str, *moments: float) -> list[str]:
    """What is wrong after kills at the given moments, seconds after each beginning."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kills = 0
        for moment in moments:
            child = started(folder, steps, algorithm)
            _begun(folder, child)
            try:
                child.wait(timeout=moment)
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
                kills += 1
            child.communicate()
        told = ended(started(folder, steps, algorithm))
        failures = [
            f"{key} is {told[key]!r}, not {value!r}" for key, value in expected.told.items() if told[key] != value
        ]
        excess = executed(folder) - expected.executed
        if not 0 <= excess <= kills * THREADS:
            failures.append(f"the program was run {excess} times more often")
        return failures


def _begun(folder: Path, child: subprocess.Popen[str]) -> float:
    """The moment at which the child has run the program once more."""
    before = executed(folder)
    while executed(folder) == before and child.poll() is None:
        time.sleep(0.002)
    return time.monotonic()


def main() -> int:
    """Kill and compare; the status tells whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="how often to kill (%(default)s)")
    parser.add_argument("--steps", type=int, default=200, help="steps of the run (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (%(default)s)")
    parser.add_argument("--algorithms", default=",".join(ALGORITHMS), help="by name, in turn (%(default)s)")
    options = parser.parse_args()
    start = time.monotonic()
    names = options.algorithms.split(",")
    expected = {name: whole(options.steps, name) for name in names}
    for name, each in expected.items():
        sys.stdout.write(
            f"{name} without a kill: {each.told['evaluations']} evaluations, {each.executed} runs of the program, "
            f"score {each.told['score']}, {each.seconds:.1f} s\n"
        )
    draw = random.Random(options.seed)
    kills = [(name, draw.uniform(0, expected[name].seconds)) for name, _ in zip(cycle(names), range(options.kills))]
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda each: killed(expected[each[0]], options.steps, *each), kills))
    for (name, moment), failures in zip(kills, outcomes, strict=True):
        for failure in failures:
            sys.stdout.write(f"FAILED {name} killed after {moment:.3f} s: {failure}\n")
    good = sum(not failures for failures in outcomes)
    sys.stdout.write(
        f"training: {good} of {options.kills} killed runs of {options.steps} steps ended as the uninterrupted one, "
        f"in {time.monotonic() - start:.0f} s\n"
    )
    return 0 if good == options.kills else 1


if __name__ == "__main__":
    sys.exit(main())
