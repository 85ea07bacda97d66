"""What recording adds to a step: the time of a step with a record and without, side by side.

    python -m benchmarks.recording [--rounds N] [--model-seconds S]

A step here is forward, `zero_feedback`, `backward` and `step`, without the time of the model. It is measured with a
model that answers at once, and with one that takes a while, during which the thread of the recorder has its turn; the
latter is what a program with a real model sees. Rounds with and without a record alternate, so that both meet the same
machine; the ratio is of their medians. The promise is that recording costs under 5%.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import tempfile
import time
from pathlib import Path

import opto
from opto.optimizers import OptoPrime, OptoPrimeV2
from opto.trace import node

_SECONDS = 0.6
"""A round is longer than what a recorder leaves unwritten, so that it pays for all that it causes."""


class Stepper:
    """Takes steps on a chain of so many operators, with a model that takes `model_seconds`."""

    def __init__(self, kind: type[OptoPrime], operators: int, model_seconds: float) -> None:
        self.x = node(1, trainable=True, name="x")
        self.tags = kind is OptoPrimeV2
        self.operators, self.model_seconds = operators, model_seconds
        self.optimizer = kind([self.x], self.answer)
        self.count, self.asleep = 0, 0.0

    def answer(self, messages: object, **options: object) -> str:
        """The next number."""
        start = time.perf_counter()
        if self.model_seconds:
            time.sleep(self.model_seconds)
        self.count += 1
        name = self.x.py_name
        if self.tags:
            text = f"<reasoning>r</reasoning><variable><name>{name}</name><value>{self.count}</value></variable>"
        else:
            text = json.dumps({"reasoning": "r", "answer": "", "suggestion": {name: self.count}})
        self.asleep += time.perf_counter() - start
        return text

    def step(self) -> None:
        """Forward, backward, step."""
        y = self.x
        for number in range(self.operators):
            y = y + number
        self.optimizer.zero_feedback()
        self.optimizer.backward(y, "larger")
        self.optimizer.step()

    def timed(self) -> float:
        """Seconds of one step without the model, the mean of a round."""
        start, steps, self.asleep = time.perf_counter(), 0, 0.0
        while (elapsed := time.perf_counter() - start) < _SECONDS:
            self.step()
            steps += 1
        return (elapsed - self.asleep) / steps


def compare(stepper: Stepper, rounds: int, folder: Path) -> tuple[float, float]:
    """The median seconds of a step without a record and with one."""
    stepper.step()
    plain, recorded = [], []
    gc.collect()
    for number in range(rounds):
        plain.append(stepper.timed())
        with opto.record(folder / str(number)):
            recorded.append(stepper.timed())
    return statistics.median(plain), statistics.median(recorded)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured (%(default)s)")
    parser.add_argument("--model-seconds", type=float, default=0.02, help="of the slow model (%(default)s)")
    options = parser.parse_args()
    print(f"{'optimizer':<12} {'operators':>9} {'model':>8} {'step, µs':>9} {'recorded, µs':>13} {'added':>7}")
    for kind in (OptoPrime, OptoPrimeV2):
        for operators in (20, 200):
            for seconds in (0.0, options.model_seconds):
                with tempfile.TemporaryDirectory() as folder:
                    plain, recorded = compare(Stepper(kind, operators, seconds), options.rounds, Path(folder))
                added = recorded / plain - 1
                print(
                    f"{kind.__name__:<12} {operators:>9} {f'{seconds * 1e3:g} ms':>8} "
                    f"{plain * 1e6:>9.0f} {recorded * 1e6:>13.0f} {added:>7.1%}"
                )


if __name__ == "__main__":
    main()
