"""Whether steps of training stay as fast and as small with large datasets, and with many candidates.

Usage: python -m benchmarks.trainer_scale [--candidates 1000] [--sizes 100,1000,10000,100000] [--only NAME]

- Datasets: the same steps, with the same number of evaluations, on datasets of growing size: time of a step and growth
  of memory per step.
- Candidates: a run in which every step brings a better candidate, and all of them stay best at some example: time of a
  step at the beginning, in the middle and at the end, bytes in memory and in the run folder per step, and the time of
  reading the folder again.

All algorithms of `opto.trainer.algorithms` that are known here are measured; those that are missing are named. Times
are CPU times of this process, the least of many windows, divided by the least of a loop of plain Python that was
measured in the same windows: so what counts are the ratios within a run. The optimizer asks no model.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.common.silent import Silent
from opto.optimizers import Optimizer
from opto.trace import Module, bundle, node
from opto.trainer import algorithms
from opto.trainer.search import Search

SIZES = (100, 1_000, 10_000, 100_000)
WINDOW = 5
"""How many steps are timed together."""
STEPS = 40
"""How many steps are made on each dataset."""
VALIDATION = 8
"""How many validation examples an algorithm has that scores candidates on all of them."""
FLAT = 1.5
"""Up to which ratio something counts as flat; least times of equal work differ by a tenth or two."""


@dataclass(frozen=True)
class Case:
    """An algorithm as it is measured.

    Attributes:
        options: for its constructor.
        training: for `train`.
        whole: whether its validation examples grow with the training examples; otherwise there are `VALIDATION`.
    """

    options: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    whole: bool = False


_FEW = {"num_candidates": 2}
CASES = {
    "Minibatch": Case(whole=True),
    "BasicSearch": Case({"validation": VALIDATION}, whole=True),
    "Beam": Case({"width": 2, "validation": VALIDATION}),
    "UCBSearch": Case(),
    "GEPA": Case(),
    "PrioritySearch": Case(training=_FEW, whole=True),
    "ParetobasedPS": Case(training=_FEW, whole=True),
    "BeamSearch": Case(training={**_FEW, "beam_width": 2}, whole=True),
    "SequentialSearch": Case(whole=True),
    "SequentialUpdate": Case(whole=True),
    "StreamingPrioritySearch": Case(training=_FEW, whole=True),
    "POLCA": Case(training={**_FEW, "epsilon": 0, "summarizer": None}, whole=True),
}


def found() -> dict[str, type[Search]]:
    """The algorithms that there are, by name."""
    classes: dict[str, type[Search]] = {}
    for each in pkgutil.iter_modules(algorithms.__path__):
        module = importlib.import_module(f"{algorithms.__name__}.{each.name}")
        own = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
        classes.update(
            (value.__name__, value) for value in own if isinstance(value, type) and issubclass(value, Search)
        )
    return classes


# ---- what is trained


def made_module() -> Any:
    """A program whose answer is the number in its prompt."""

    @bundle()
    def answer(question: int, prompt: str) -> int:
        """The number at the beginning of the prompt."""
        return int(prompt.partition(" ")[0])

    class Agent(Module):
        def __init__(self) -> None:
            self.prompt = node("1 " + "word " * 100, trainable=True, name="prompt")

        def forward(self, question: int) -> Any:
            return answer(question, self.prompt)

    return Agent()


def judge(question: Any, response: Any, reference: Any) -> tuple[float, str]:
    """A guide: the greater the better; but on the first question all are equally good.

    So each candidate is better than those before it, and the front of the first question has all of them.
    """
    return (float(response) if question else 1.0), "More."


class Numbers:
    """Numbers from 2 on; copies of an optimizer share them."""

    def __init__(self) -> None:
        self.last = 1

    def __deepcopy__(self, memo: Any) -> Numbers:
        return self

    def next(self) -> int:
        """One more than the last."""
        self.last += 1
        return self.last


class Improving(Optimizer):
    """Puts the next number into the prompt: each proposal is better than all before it."""

    def __init__(self, parameters: Any, **kwargs: Any) -> None:
        super().__init__(parameters, **kwargs)
        self.numbers = Numbers()

    def _propose(self) -> Any:
        yield from ()
        [prompt] = self.parameters
        return {prompt: f"{self.numbers.next()} {prompt.data.partition(' ')[2]}"}


def examples(count: int, start: int = 0) -> list[tuple[int, str]]:
    """So many questions, with what is known of the answer."""
    return [(number, "More.") for number in range(start, start + count)]


# ---- how it is measured


def calibration() -> float:
    """How long a loop of plain Python takes, in seconds of this process."""
    start = time.process_time()
    total = 0
    for number in range(20_000):
        total = (total * 31 + number) % 1_000_003
    return time.process_time() - start


class Watch:
    """A stopping rule that notes times, memory and the size of a folder before each step.

    Args:
        folder: whose size is noted; None for none.
        candidates: the run ends when so many were accepted besides the first; None to go on.
        memory: whether to note what `tracemalloc` counts.
    """

    def __init__(self, folder: Path | None = None, *, candidates: int | None = None, memory: bool = False) -> None:
        self._folder, self._candidates, self._memory = folder, candidates, memory
        self.times: list[float] = []
        self.calibrations: list[float] = []
        self.bytes: list[int] = []
        self.sizes: list[int] = []

    def reached(self, run: Any) -> str | None:
        """Take down what there is to be noted."""
        if not self._memory and len(self.times) % WINDOW == 0:
            self.calibrations.append(calibration())
        if self._memory:
            self.bytes.append(tracemalloc.get_traced_memory()[0])
        if self._folder is not None:
            self.sizes.append(sum(each.stat().st_size for each in self._folder.iterdir() if each.is_file()))
        self.times.append(time.process_time())
        enough = self._candidates is not None and len(run.archive.accepted) > self._candidates
        return "there are enough candidates" if enough else None

    def least(self, first: int = 0, last: int | None = None) -> float:
        """The least time of a step over the windows between two steps, in seconds."""
        ends = range(len(self.times))[first:last]
        windows = list(zip(ends, ends[WINDOW:], strict=False))[::WINDOW] or [(ends[0], ends[-1])]
        return min((self.times[end] - self.times[start]) / (end - start) for start, end in windows)


def run(name: str, kind: type[Search], size: int, watch: Watch, **options: Any) -> Any:
    """A run on a dataset of that size; the outcome."""
    case = CASES[name]
    agent = made_module()
    search = kind(agent, Improving(agent.parameters()), 1, Silent(), **case.options)
    search.stopping.append(watch)
    training = {"batch_size": 4, **case.training, **options}
    if not case.whole:
        training["validate_dataset"] = examples(VALIDATION)
    return search.train(judge, examples(size), **training)


def grown(series: Sequence[int]) -> float:
    """By how much a series grows in a step, over its second half."""
    half = len(series) // 2
    return (series[-1] - series[half]) / max(1, len(series) - 1 - half)


@dataclass
class Findings:
    """What was measured, in the words of the last line.

    Attributes:
        flat: by what was measured, the algorithms for which it stays as it is.
        growing: those for which it does not, with the ratio.
    """

    flat: dict[str, list[str]] = field(default_factory=dict)
    growing: dict[str, list[str]] = field(default_factory=dict)

    def note(self, what: str, name: str, ratio: float) -> None:
        """Put an algorithm on one of the lists."""
        if ratio <= FLAT:
            self.flat.setdefault(what, []).append(name)
        else:
            self.growing.setdefault(what, []).append(f"{name} ({ratio:.2f})")

    def __str__(self) -> str:
        def told(lists: dict[str, list[str]]) -> str:
            return "; ".join(f"{what}: {', '.join(names)}" for what, names in lists.items()) or "nothing"

        return f"Flat, at most {FLAT:g} times what it was: {told(self.flat)}. Not flat: {told(self.growing)}."


def measure_datasets(name: str, kind: type[Search], sizes: Sequence[int], steps: int) -> tuple[float, float]:
    """Print a line of a table for each size; the ratios of the last size to the first, in time and growth of memory."""
    times, growths = [], []
    for size in sizes:
        watch, remembering = Watch(), Watch(memory=True)
        run(name, kind, size, watch, num_steps=steps)
        tracemalloc.start()
        run(name, kind, size, remembering, num_steps=max(2 * WINDOW, steps // 2))
        tracemalloc.stop()
        least = watch.least(WINDOW)
        times.append(least / min(watch.calibrations))
        growths.append(grown(remembering.bytes) / 1000)
        ratio = times[-1] / times[0]
        line = f"{1000 * least:.2f} | {times[-1]:.2f} | {ratio:.2f} | {growths[-1]:.1f}"
        print(f"| {name} | {size:,} | {line} |", flush=True)
    return times[-1] / times[0], growths[-1] / growths[0]


def measure_candidates(name: str, kind: type[Search], candidates: int) -> tuple[float, float]:
    """Print a line of a table; how much longer the last steps take than the first, and how much more they write."""
    limits: dict[str, Any] = {"num_steps": 2 * candidates}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        watch = Watch(folder, candidates=candidates)
        outcome = run(name, kind, 100, watch, run_dir=folder, **limits)
        start = time.process_time()
        again = run(name, kind, 100, Watch(candidates=candidates), run_dir=folder, resume=True, **limits)
        resume = time.process_time() - start
        assert len(again.archive) == len(outcome.archive)
    steps = outcome.steps
    part = max(WINDOW, steps // 10)
    spans = [(1, part + 1), ((steps - part) // 2, (steps + part) // 2), (steps - part, steps + 1)]
    times = [watch.least(*span) / min(watch.calibrations) for span in spans]
    written = [(watch.sizes[end - 1] - watch.sizes[start]) / (end - 1 - start) / 1000 for start, end in spans]
    tracemalloc.start()
    remembering = Watch(memory=True)
    run(name, kind, 100, remembering, num_steps=max(2 * WINDOW, steps // 10))
    tracemalloc.stop()
    each = grown(remembering.bytes) / 1000 * steps / len(outcome.archive)
    print(
        f"| {name} | {len(outcome.archive.accepted):,} | {steps:,} | {' | '.join(f'{each:.2f}' for each in times)} | "
        f"{times[2] / times[0]:.2f} | {each:.1f} | {written[0]:.2f} | {written[2]:.2f} | {1000 * resume:,.0f} |",
        flush=True,
    )
    return times[2] / times[0], written[2] / written[0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print two tables and a line that sums them up."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--candidates", type=int, default=1000, help="how many are accepted in a run")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="of the datasets, with commas")
    parser.add_argument("--only", default="", help="names of algorithms, with commas")
    chosen = parser.parse_args(arguments)
    wanted = [name for name in CASES if not chosen.only or name in chosen.only.split(",")]
    kinds, findings = found(), Findings()
    sizes = [int(each) for each in chosen.sizes.split(",")]
    if missing := [name for name in wanted if name not in kinds]:
        print(f"Not in opto.trainer.algorithms, and so not measured: {', '.join(missing)}.")
    there = [name for name in wanted if name in kinds]
    print("\n| algorithm | examples | ms a step | in calibrations | to the first | kB more a step |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in there:
        slower, more = measure_datasets(name, kinds[name], sizes, min(STEPS, 2 * chosen.candidates))
        findings.note(f"time of a step with {sizes[-1]:,} examples", name, slower)
        findings.note(f"growth of memory with {sizes[-1]:,} examples", name, more)
    head = ("accepted", "steps", "first", "middle", "last", "last to first", "kB each", "kB written", "at the end")
    print(f"\n| algorithm | {' | '.join(head)} | resume, ms |\n|---|{'---:|' * 10}")
    for name in there:
        slower, more = measure_candidates(name, kinds[name], chosen.candidates)
        findings.note(f"time of a step after {chosen.candidates:,} candidates", name, slower)
        findings.note("what a step writes", name, more)
    print(f"\n{findings}")


if __name__ == "__main__":
    main()
