"""How things are measured: windows of one system and of the next in turn, so that all share the machine's moods."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.common.systems import Python, Worker, WorkerError

WINDOWS = 25
WINDOW_SECONDS = 0.02
PEER_LIMIT = 60.0
SMALLEST = 625


@dataclass
class Series:
    """The windows of one workload on one system: seconds for one unit of it, by phase."""

    windows: dict[str, list[float]] = field(default_factory=dict)

    def add(self, result: float | dict[str, float], count: int) -> None:
        """Note one window that took `result` for `count` units."""
        phases = result if isinstance(result, dict) else {"all": result}
        for phase, seconds in phases.items():
            self.windows.setdefault(phase, []).append(seconds / count)

    def least(self, phase: str = "all") -> float:
        """The quickest window: what the work takes when nothing disturbs it."""
        return min(self.windows[phase])


@dataclass(frozen=True)
class Lane:
    """A workload on a worker, to be run in turn with others."""

    label: str
    worker: Worker
    workload: str


def interleaved(lanes: Iterable[Lane]) -> dict[str, Series | str]:
    """Run every lane `WINDOWS` times, one window of each in turn; a lane that fails gives its error instead."""
    results: dict[str, Series | str] = {}
    counts: dict[str, int] = {}
    lanes = list(lanes)
    for lane in lanes:
        try:
            counts[lane.label] = _window_count(lane)
            results[lane.label] = Series()
        except WorkerError as error:
            results[lane.label] = str(error)
    for _ in range(WINDOWS):
        for lane in lanes:
            series = results[lane.label]
            if isinstance(series, Series):
                count = counts[lane.label]
                series.add(lane.worker.ask(lane.workload, count=count), count)
    return results


def _window_count(lane: Lane) -> int:
    """How many units make a window long enough for the clock; doubling also warms the worker up."""
    count = 100
    while True:
        result = lane.worker.ask(lane.workload, count=count)
        seconds = min(result.values()) if isinstance(result, dict) else result
        if seconds >= WINDOW_SECONDS or count >= 1_000_000:
            return count
        count *= 2


@dataclass(frozen=True)
class Growth:
    """One size of a graph: CPU seconds of each phase, and the peak memory of a process that did nothing else."""

    size: int
    windows: int
    phases: dict[str, float]

    @property
    def total(self) -> float:
        """Forward, backward and propose together."""
        return sum(self.phases[phase] for phase in ("forward", "backward", "propose"))


def one_size(python: Python, shape: str, size: int, *, limit: float, windows: int = 1) -> Growth:
    """Measure one graph in a fresh process.

    Raises:
        WorkerError: it failed or took more than `limit` seconds.
    """
    with python.start() as worker:
        return Growth(size, windows, worker.ask("graph", limit=limit, shape=shape, size=size, windows=windows))


def largest(python: Python, shape: str, top: int, say: Callable[[str], None]) -> tuple[Growth | None, str]:
    """The largest size, doubled up to `top`, that ends within the limit for peers, and why it went no further.

    A size is not tried when, at the pace at which the sizes before it have grown, it would take twice the limit. All
    run in one process, since a peer may take seconds to start: its peak memory is that of the largest.
    """
    last: Growth | None = None
    pace = 2.0
    size = SMALLEST
    with python.start() as worker:
        while True:
            try:
                result = worker.ask("graph", limit=PEER_LIMIT, shape=shape, size=size)
            except WorkerError as error:
                return last, f"{size:,}: {error}"
            growth = Growth(size, 1, result)
            say(f"  {python.system.name}, {shape} of {size:,}: {growth.total:.2f} s")
            if last:
                pace = max(pace, growth.total / last.total)
            last = growth
            if size >= top:
                return last, ""
            if pace * last.total > 2 * PEER_LIMIT:
                return last, f"{2 * size:,}: not tried, it would take about {pace * last.total:.0f} s"
            size = min(2 * size, top)


def import_seconds(pythons: list[Python], statement: str, runs: int = 10) -> dict[str, float | str]:
    """The quickest import over `runs` fresh interpreters for each system, in turn."""
    code = f"import time; start = time.perf_counter(); {statement}; print(); print(time.perf_counter() - start)"
    times: dict[str, list[float]] = {python.system.name: [] for python in pythons}
    errors: dict[str, float | str] = {}
    for _ in range(runs):
        for python in pythons:
            if python.system.name not in errors:
                try:
                    times[python.system.name].append(float(python.run(code)))
                except WorkerError as error:
                    errors[python.system.name] = str(error)
    return {name: errors.get(name, min(values, default=0.0)) for name, values in times.items()}


def ask(python: Python, workload: str, limit: float, **arguments: Any) -> Any:
    """The result of one workload in a fresh process, or the error as text."""
    try:
        with python.start() as worker:
            return worker.ask(workload, limit=limit, **arguments)
    except WorkerError as error:
        return str(error)
