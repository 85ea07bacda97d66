"""What recording adds to a step: the time of a whole step with a record and without, side by side, without a model.

    python -m benchmarks.recording [--rounds N] [--folder DIR]

A step here is forward, `zero_feedback`, `backward` and `step` with a model that answers at once. Steps with and without
a record alternate in short rounds, so that both meet the same machine; the ratio is of their medians. The promise of the
design is that recording costs under 5%.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import opto
from opto.optimizers import OptoPrime, OptoPrimeV2
from opto.trace import node

_STEPS = 20


def stepper(kind: type[OptoPrime], operators: int) -> Callable[[], None]:
    """A function that takes one step on a chain of so many operators."""
    x = node(1, trainable=True, name="x")
    count = [0]

    def model(messages: object, **options: object) -> str:
        count[0] += 1
        if kind is OptoPrimeV2:
            return f"<reasoning>r</reasoning><variable><name>{x.py_name}</name><value>{count[0]}</value></variable>"
        return json.dumps({"reasoning": "r", "answer": "", "suggestion": {x.py_name: count[0]}})

    optimizer = kind([x], model)

    def step() -> None:
        y = x
        for number in range(operators):
            y = y + number
        optimizer.zero_feedback()
        optimizer.backward(y, "larger")
        optimizer.step()

    return step


def timed(step: Callable[[], None]) -> float:
    """Seconds of one step, the mean of a short round."""
    start = time.perf_counter()
    for _ in range(_STEPS):
        step()
    return (time.perf_counter() - start) / _STEPS


def compare(kind: type[OptoPrime], operators: int, rounds: int, folder: Path) -> tuple[float, float]:
    """The median seconds of a step without a record and with one."""
    step = stepper(kind, operators)
    timed(step)
    plain, recorded = [], []
    gc.collect()
    for number in range(rounds):
        plain.append(timed(step))
        with opto.record(folder / f"{kind.__name__}-{operators}-{number}"):
            timed(step)
            recorded.append(timed(step))
    return statistics.median(plain), statistics.median(recorded)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="how often each is measured (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where to write the records; by default a temporary folder")
    options = parser.parse_args()
    print(f"{'optimizer':<12} {'operators':>9} {'step, µs':>9} {'recorded, µs':>13} {'added':>7}")
    with tempfile.TemporaryDirectory() as temporary:
        for kind in (OptoPrime, OptoPrimeV2):
            for operators in (20, 200):
                plain, recorded = compare(kind, operators, options.rounds, options.folder or Path(temporary))
                added = recorded / plain - 1
                print(f"{kind.__name__:<12} {operators:>9} {plain * 1e6:>9.0f} {recorded * 1e6:>13.0f} {added:>7.1%}")


if __name__ == "__main__":
    main()
