"""What a call through `Monty` costs over the same call in this process, for small data.

    python -m benchmarks.sandbox_monty [--windows N]

Each row is timed in windows of about 50 ms, those of all rows and of a loop of plain Python by turns, so that all meet
the same machine; the figure is that of the best window. The promise is at most 1.5 ms per call.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from typing import Any

from opto.sandbox import InProcess
from opto.sandbox.monty import Monty

__all__ = ["best_windows", "main", "rows"]

_WINDOW = 0.05
SMALL = "def f(x, y=2):\n    return {'sum': x + y, 'items': [x + n for n in range(y)], 'text': 'a' * y}\n"
HOST = "def f(x):\n    return helper(x) + 1\n"
LIBRARY = """import heapq
from operator import itemgetter
def f(x):
    return heapq.nlargest(1, [(x, 1)], key=itemgetter(0))
"""
LONG = SMALL + "".join(
    f"\ndef g{number}(x):\n    if x > {number}:\n        return [x, {number}]\n    return g{number}(x + 1)\n"
    for number in range(60)
)
ASYNC = "async def f(x):\n    return x + 1\n"


def yardstick() -> int:
    """A loop of plain Python, to tell how fast the machine is."""
    total = 0
    for number in range(1000):
        total += number * number % 7
    return total


def rows() -> dict[str, Callable[[], Any]]:
    """What is timed, by name."""
    monty, plain = Monty(host={"helper": abs}), InProcess()
    compiled = {name: monty.compile(text, "f", {}) for name, text in (("small", SMALL), ("host", HOST), ("long", LONG))}
    library = monty.compile(LIBRARY, "f", {})
    here = plain.compile(SMALL, "f", {})
    loop = asyncio.new_event_loop()
    waited = monty.compile(ASYNC, "f", {})
    data = {"rows": [{"id": number, "name": str(number)} for number in range(100)]}
    echo = monty.compile("def f(x):\n    return x\n", "f", {})
    return {
        "1,000 turns of a loop of plain Python": yardstick,
        "in process: a call": lambda: here(3, y=4),
        "Monty: a call": lambda: compiled["small"](3, y=4),
        "Monty: a call of a text of 300 lines": lambda: compiled["long"](3, y=4),
        "Monty: a call with two modules of the library": lambda: library(3),
        "Monty: a call that calls a host function": lambda: compiled["host"](3),
        "Monty: an async call": lambda: loop.run_until_complete(waited(3)),
        "Monty: 100 dicts there and back": lambda: echo(data),
        "Monty: compile": lambda: monty.compile(SMALL, "f", {}),
    }


def best_windows(functions: dict[str, Callable[[], Any]], windows: int) -> dict[str, float]:
    """Seconds per call in the best of so many windows, the windows of all functions by turns."""
    counts: dict[str, int] = {}
    for name, function in functions.items():
        function()
        start = time.perf_counter()
        function()
        counts[name] = max(1, int(_WINDOW / max(time.perf_counter() - start, 1e-7)))
    best = dict.fromkeys(functions, float("inf"))
    for _ in range(windows):
        for name, function in functions.items():
            start = time.perf_counter()
            for _ in range(counts[name]):
                function()
            best[name] = min(best[name], (time.perf_counter() - start) / counts[name])
    return best


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.sandbox_monty", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--windows", type=int, default=25, help="how many windows per row")
    options = parser.parse_args(arguments)
    functions = rows()
    for name, seconds in best_windows(functions, max(options.windows, 1)).items():
        print(f"{name:48} {seconds * 1e3:8.4f} ms")


if __name__ == "__main__":
    main()
