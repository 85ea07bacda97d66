"""What `Subprocess` costs over running the same code in this process: a call, a worker, large data.

    python -m benchmarks.sandbox [--windows N] [--starts N]

Calls are timed in windows of about 50 ms, those of all rows by turns, so that all meet the same machine; the figure is
that of the best window. Starts of workers are timed one by one: from nothing to walls that stand and were checked. The
promises are at most 0.3 ms per call over in-process for small data, and at most 150 ms for a worker.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.sandbox_monty import SMALL, best_windows, yardstick
from opto.errors import SandboxUnavailableError
from opto.sandbox import InProcess, Subprocess
from opto.sandbox.process import WorkerProcess

__all__ = ["main", "rows", "starts"]

ECHO = "def f(x):\n    return x\n"


def rows(runner: Subprocess) -> dict[str, Callable[[], Any]]:
    """What is timed, by name."""
    here = InProcess()
    loop = asyncio.new_event_loop()
    small_here, small = here.compile(SMALL, "f", {}), runner.compile(SMALL, "f", {})
    host = runner.compile("def f(x):\n    return helper(x) + 1\n", "f", {})
    waited = runner.compile("async def f(x):\n    return x + 1\n", "f", {})
    echo = runner.compile(ECHO, "f", {})
    data = {"rows": [{"id": number, "name": str(number)} for number in range(100)]}
    numbers = list(range(100_000))
    return {
        "1,000 turns of a loop of plain Python": yardstick,
        "in process: a call": lambda: small_here(3, y=4),
        "Subprocess: a call": lambda: small(3, y=4),
        "Subprocess: a call that calls a host function": lambda: host(3),
        "Subprocess: an async call": lambda: loop.run_until_complete(waited(3)),
        "Subprocess: 100 dicts there and back": lambda: echo(data),
        "Subprocess: 100,000 ints there and back": lambda: echo(numbers),
    }


def starts(runner: Subprocess, walls: str, count: int) -> list[float]:
    """Seconds to start a worker and raise its walls, for each of so many; none where they cannot be had."""
    settings = runner.settings()
    found = []
    for _ in range(count):
        start = time.perf_counter()
        try:
            worker = WorkerProcess(settings, walls)
        except SandboxUnavailableError:
            return []
        worker.raise_walls()
        found.append(time.perf_counter() - start)
        worker.close()
    return found


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.sandbox", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--windows", type=int, default=25, help="how many windows per row")
    parser.add_argument("--starts", type=int, default=20, help="how many workers are started")
    options = parser.parse_args(arguments)
    with Subprocess(host={"helper": abs}, idle=8, seconds=30) as runner:
        for name, seconds in best_windows(rows(runner), max(options.windows, 1)).items():
            print(f"{name:48} {seconds * 1e3:8.4f} ms")
        for walls in ("landlock", "bubblewrap"):
            if taken := starts(runner, walls, max(options.starts, 1)):
                print(f"{f'{walls}: start of a worker, best':48} {min(taken) * 1e3:8.1f} ms")
                print(f"{f'{walls}: start of a worker, median':48} {statistics.median(taken) * 1e3:8.1f} ms")


if __name__ == "__main__":
    main()
