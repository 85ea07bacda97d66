"""What a problem of training is: a program with parameters, and examples that say how good it is.

Neither opto nor gepa is imported, so that both can be given the same problem, each in its own environment. A program
is written with operators and calls alone: it computes with plain values, with values that write down what becomes of
them (`Written`), and with opto's nodes.
"""

from __future__ import annotations

import hashlib
import math
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

# As a folder of modules: where opto is not installed, its simulated model is there all the same.
sys.path.append(str(Path(__file__).resolve().parents[2] / "opto" / "testing"))

from simulation.limits import limited

__all__ = ["Example", "Meter", "Parameter", "Run", "TrainingProblem", "Verdict", "limited"]

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Parameter:
    """Something that may be changed.

    Attributes:
        kind: "number", "code" (the source of a function of that name) or "text".
        start: its first value.
        description: what it is, in words.
        domain: the range of a number.
    """

    name: str
    kind: str
    start: Any
    description: str
    domain: tuple[float, float] | None = None


@dataclass(frozen=True)
class Example:
    """What the program is given.

    Attributes:
        name: another one for each example of a problem.
        query: for the program.
        wanted: for the judge.
        about: what it is given, in words.
    """

    name: str
    query: Any
    wanted: Any
    about: str


@dataclass(frozen=True)
class Verdict:
    """What is said of an output.

    Attributes:
        scores: from 0 to 1 by objective, larger is better.
        remarks: pairs: the name of a parameter, or "" for all of them, and words.
    """

    scores: Mapping[str, float]
    remarks: tuple[tuple[str, str], ...]

    def words(self, parameter: str | None = None) -> str:
        """The remarks on all parameters, or on one."""
        said = [words for name, words in self.remarks if parameter is None or name in ("", parameter)]
        return " ".join(dict.fromkeys(said)) or "Nothing is to be said of this part."


@dataclass(frozen=True)
class Run:
    """The program on one example: its score, what is said in words, what happened, and the parts of these."""

    score: float
    feedback: str
    trace: str
    output: str
    verdict: Verdict


@dataclass(frozen=True)
class TrainingProblem:
    """Something to train.

    Attributes:
        kind: which problem, as the report calls it.
        compute: from values by parameter and an example to an output. A function takes the place of its source.
        judge: from an output, as plain data, and an example to a verdict.
        target: the true score at which it counts as reached.
        budget: how many evaluations, each a run of the program on one example, there are.
        weights: of the objectives in the score.
        noise: standard deviation of what is added to each score that an algorithm sees; the sum stays from 0 to 1.
    """

    kind: str
    seed: int
    parameters: tuple[Parameter, ...]
    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    held_out: tuple[Example, ...]
    compute: Callable[[Values, Example], Any]
    judge: Callable[[Any, Example], Verdict]
    target: float
    budget: int
    weights: Mapping[str, float] = field(default_factory=lambda: {"score": 1.0})
    noise: float = 0.0

    def start(self) -> dict[str, Any]:
        """The first values."""
        return {each.name: each.start for each in self.parameters}

    def run(self, candidate: Values, example: Example) -> Run:
        """The program with the values of a candidate on one example, without noise.

        Numbers may be given as texts: they are read as Python writes them, and must be finite. A value that cannot be
        read, code that cannot be executed, and a program that raises get the score 0 and are told why.
        """
        try:
            values = {each.name: _readied(each, candidate[each.name]) for each in self.parameters}
            output = self.compute(values, example)
        except Exception as error:  # whatever a value that somebody made up may raise
            return self._failed(error, example)
        lines: list[str] = getattr(output, "lines", [])
        plain = getattr(output, "plain", output)
        verdict = self.judge(plain, example)
        return Run(self.scalar(verdict), verdict.words(), "\n".join(lines), str(plain), verdict)

    def _failed(self, error: Exception, example: Example) -> Run:
        verdict = self.judged_failure(type(error).__name__, str(error), example)
        return Run(0.0, verdict.words(), "", type(error).__name__, verdict)

    def judged_failure(self, kind: str, words: str, example: Example) -> Verdict:
        """The verdict on a program that raised an error of that kind, which says that."""
        remarks = [("", f"It failed: {kind}: {words.splitlines()[0][:200] if words else ''}")]
        if isinstance(example.wanted, tuple) and example.wanted and isinstance(example.wanted[0], str):
            remarks.append(("", f"{example.about} should return {example.wanted[1]!r}."))
        return Verdict(dict.fromkeys(self.weights, 0.0), tuple(remarks))

    def scalar(self, verdict: Verdict) -> float:
        """The score: the weighted mean of the objectives."""
        return sum(self.weights[name] * verdict.scores[name] for name in self.weights) / sum(self.weights.values())

    def true_score(self, candidate: Values) -> float:
        """The mean score on the held-out examples, without noise."""
        return sum(self.run(candidate, each).score for each in self.held_out) / len(self.held_out)


def _readied(parameter: Parameter, value: Any) -> Any:
    """What the program computes with."""
    if parameter.kind == "number":
        number = float(value.strip()) if isinstance(value, str) else float(value)
        if not math.isfinite(number):
            raise ValueError(f"{parameter.name} must be a finite number, got {value!r}.")
        return number
    if not isinstance(value, str):
        raise TypeError(f"{parameter.name} must be a text, got {value!r}.")
    return compiled(value, parameter.name) if parameter.kind == "code" else value


_COMPILED: dict[tuple[str, str], Callable[..., Any]] = {}


def compiled(source: str, name: str) -> Callable[..., Any]:
    """The function of that name that a source defines, with an end to what it may execute."""
    known = _COMPILED.get((source, name))
    if known is not None:
        return known
    namespace: dict[str, Any] = {}
    code = compile(source, "<candidate>", "exec")
    limited(lambda: exec(code, namespace))  # a problem's own source, or what the simulated model made of it
    function = namespace.get(name)
    if not callable(function):
        raise NameError(f"the code must define a function {name}")

    def call(*arguments: Any) -> Any:
        return limited(lambda: function(*arguments))

    _COMPILED[source, name] = call
    return call


class Meter:
    """Counts the evaluations of one algorithm, adds the noise, and keeps which candidate it believed best when.

    Attributes:
        count: how many evaluations there were.
        incumbents: pairs: a count, and the values that the algorithm believed best from then on.
    """

    def __init__(self, problem: TrainingProblem, seed: int) -> None:
        self.problem, self.seed = problem, seed
        self.count = 0
        self.incumbents: list[tuple[int, dict[str, Any]]] = []
        self._repeats: Counter[str] = Counter()

    def __deepcopy__(self, memo: Any) -> Meter:
        return self  # copies of a program are metered together

    def __copy__(self) -> Meter:
        return self

    def run(self, candidate: Values, example: Example) -> Run:
        """One evaluation, as an algorithm sees it."""
        self.counted()
        found = self.problem.run(candidate, example)
        return replace(found, score=self.seen(found.score, found.output, example))

    def counted(self) -> None:
        """There was one more evaluation."""
        self.count += 1

    def seen(self, score: float, output: Any, example: Example) -> float:
        """The score of an output with noise: another number each time the same is evaluated again."""
        if not self.problem.noise:
            return score
        key = repr((self.seed, example.name, str(output)))
        self._repeats[key] += 1
        drawn = hashlib.sha256(f"{key} {self._repeats[key]}".encode()).digest()
        noise = random.Random(int.from_bytes(drawn[:8], "big")).gauss(0.0, self.problem.noise)
        return min(1.0, max(0.0, score + noise))

    def believe(self, candidate: Values) -> None:
        """From now on the algorithm believes these values the best."""
        if not self.incumbents or self.incumbents[-1][1] != candidate:
            self.incumbents.append((self.count, dict(candidate)))


def split(examples: Sequence[Example], sizes: tuple[int, int, int]) -> list[tuple[Example, ...]]:
    """The examples in their order in parts of these sizes."""
    first, second, third = sizes
    return [
        tuple(examples[:first]),
        tuple(examples[first : first + second]),
        tuple(examples[first + second : first + second + third]),
    ]
