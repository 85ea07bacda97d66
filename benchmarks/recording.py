"""What recording adds to a step: CPU time with a record and without, side by side.

    python -m benchmarks.recording [--windows N]

A step here is forward, `zero_feedback`, `backward` and `step`. Two figures: what the stepping thread takes longer with
a model that takes 2 ms, which is what a program with a real model notices, since the thread of the recorder writes
while the program waits; and what all threads together take longer with a model that answers at once, which a program
that never waits notices. Windows with a record and without alternate, so that both meet the same machine; a figure is
that of the best window. The promise is that a step costs under 5% more.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import tempfile
import time
from pathlib import Path

from opto.optimizers import OptoPrime, OptoPrimeV2
from opto.runs import Recorder, listening
from opto.trace import node

_STEPS = {20: 100, 200: 30}
"""Steps in a window, by the number of operators."""


class Stepper:
    """Takes steps on a chain of so many operators, with a model that takes `seconds`."""

    def __init__(self, kind: type[OptoPrime], operators: int, seconds: float) -> None:
        self.x = node(1, trainable=True, name="x")
        self.tags = kind is OptoPrimeV2
        self.operators, self.seconds = operators, seconds
        self.optimizer = kind([self.x], self.answer)
        self.count = 0

    def answer(self, messages: object, **options: object) -> str:
        """The next number."""
        self.count += 1
        if self.seconds:
            time.sleep(self.seconds)
        name = self.x.py_name
        if self.tags:
            return f"<reasoning>r</reasoning><variable><name>{name}</name><value>{self.count}</value></variable>"
        return json.dumps({"reasoning": "r", "answer": "", "suggestion": {name: self.count}})

    def step(self) -> None:
        """Forward, backward, step."""
        y = self.x
        for number in range(self.operators):
            y = y + number
        self.optimizer.zero_feedback()
        self.optimizer.backward(y, "larger")
        self.optimizer.step()

    def window(self, recorder: Recorder | None) -> float:
        """CPU seconds of a step: of this thread where the model takes time, else of all, until all is written."""
        clock = time.thread_time if self.seconds else time.process_time
        steps = _STEPS[self.operators]
        start = clock()
        with contextlib.nullcontext() if recorder is None else listening(recorder):
            for _ in range(steps):
                self.step()
        if recorder is not None and not self.seconds:
            recorder.flush()
        return (clock() - start) / steps


def compare(stepper: Stepper, windows: int) -> tuple[float, float]:
    """CPU seconds of a step without a record and with one, of the best window each."""
    stepper.step()
    plain, recorded = [], []
    gc.collect()
    with tempfile.TemporaryDirectory() as folder, Recorder(Path(folder) / "run") as recorder:
        for _ in range(windows):
            plain.append(stepper.window(None))
            recorded.append(stepper.window(recorder))
    return min(plain), min(recorded)


def yardstick() -> float:
    """CPU seconds of a loop of 1,000 turns of plain Python, the best of many."""
    best = float("inf")
    for _ in range(50):
        start = time.thread_time()
        total = 0
        for number in range(1000):
            total += number
        best = min(best, time.thread_time() - start)
    return best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=30, help="how often each is measured (%(default)s)")
    options = parser.parse_args()
    print(f"1,000 turns of a loop of plain Python: {yardstick() * 1e6:.0f} µs")
    print(f"{'optimizer':<12} {'operators':>9} {'counted':<20} {'step, µs':>9} {'recorded, µs':>13} {'added':>7}")
    for kind in (OptoPrime, OptoPrimeV2):
        for operators in _STEPS:
            for counted, seconds in (("the stepping thread", 0.002), ("all threads", 0.0)):
                plain, recorded = compare(Stepper(kind, operators, seconds), options.windows)
                print(
                    f"{kind.__name__:<12} {operators:>9} {counted:<20} {plain * 1e6:>9.0f} {recorded * 1e6:>13.0f} "
                    f"{recorded / plain - 1:>7.1%}"
                )


if __name__ == "__main__":
    main()
