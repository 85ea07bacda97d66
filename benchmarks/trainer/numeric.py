"""A number: one graph of operators, with another constant for each example, and what it should give there."""

from __future__ import annotations

import itertools
import random
from typing import Any

from training_problem import Example, Parameter, TrainingProblem, Verdict, split

__all__ = ["numeric"]

_LOW, _HIGH, _START = 0.5, 8.5, 2.0
_TOLERANCE = 0.02
_INPUTS = [round(1.0 + 0.1 * place, 1) for place in range(40)]

Plan = list[tuple[str, float, float, int]]


def numeric(seed: int, *, sizes: tuple[int, int, int], budget: int) -> TrainingProblem:
    """The numerical problem of the Trace paper (arXiv 2406.16218, 5.1) with examples.

    A graph is drawn by taking again and again an earlier result or a constant, and an operator. One of its constants is
    the example's. The same number solves all examples; an output is right within 2% of the span of outputs, and beyond
    that the score falls with the distance. What is said is whether the output should be larger or smaller. Only graphs
    along which the output of every example rises, or falls, all the way are taken.
    """
    rng = random.Random(f"numeric training {seed}")
    while True:
        plan: Plan = [
            (rng.choice("+-*"), rng.random(), rng.random(), rng.randint(1, 4)) for _ in range(rng.randint(5, 9))
        ]
        place = rng.randrange(len(plan))
        if plan[place][2] < 0.6 and len({_way(plan, place, given) for given in (_INPUTS[0], _INPUTS[-1])} - {0}) == 1:
            ways = {_way(plan, place, given) for given in _INPUTS}
            if len(ways) == 1 and 0 not in ways:
                break
    wanted = rng.uniform(3.5, 8.0)
    examples = []
    for given in rng.sample(_INPUTS, sum(sizes)):
        ends = [float(_evaluated(x, plan, place, given)) for x in (_LOW, _HIGH)]
        target = float(_evaluated(wanted, plan, place, given))
        examples.append(Example(f"input {given}", given, (target, _TOLERANCE * abs(ends[1] - ends[0])), f"{given}"))
    train, validation, held_out = split(examples, sizes)

    def compute(values: Any, example: Example) -> Any:
        x = values["x"]
        return _evaluated(Written.begun(x) if isinstance(x, float) else x, plan, place, example.query)

    x = Parameter("x", "number", _START, f"a number between {_LOW:g} and {_HIGH:g}", (_LOW, _HIGH))
    return TrainingProblem("numeric", seed, (x,), train, validation, held_out, compute, _judge, 0.95, budget)


def _judge(output: Any, example: Example) -> Verdict:
    target, tolerance = example.wanted
    gap = target - float(output)
    if abs(gap) <= tolerance:
        return Verdict({"score": 1.0}, (("", "The output is right."),))
    way = "larger" if gap > 0 else "smaller"
    return Verdict({"score": 1 / (1 + abs(gap) / (10 * tolerance))}, (("", f"The output should be {way}."),))


def _way(plan: Plan, place: int, given: float) -> int:
    """1 where the output rises along the whole range of the number, -1 where it falls, else 0."""
    outputs = [_evaluated(_LOW + (_HIGH - _LOW) * at / 20, plan, place, given) for at in range(21)]
    steps = [after - before for before, after in itertools.pairwise(outputs)]
    if abs(outputs[-1]) > 1e6:
        return 0
    return 1 if min(steps) > 1e-3 else -1 if max(steps) < -1e-3 else 0


def _evaluated(x: Any, plan: Plan, place: int, given: float) -> Any:
    """The output of the graph; the constant at one place is the example's. The last result is always used."""
    results = [x]
    for at, (symbol, which, fresh, constant) in enumerate(plan):
        other = given if at == place else constant if fresh < 0.6 else results[int(which * len(results))]
        last = results[-1]
        results.append(last + other if symbol == "+" else last - other if symbol == "-" else last * other)
    return results[-1]


class Written:
    """A number that writes down how it came to be, one call a line."""

    def __init__(self, name: str, plain: float, lines: list[str]) -> None:
        self.name, self.plain, self.lines = name, plain, lines

    @classmethod
    def begun(cls, plain: float) -> Written:
        """The number that everything is computed from."""
        return cls("x", plain, [])

    def _with(self, function: str, other: Any, plain: float) -> Written:
        if isinstance(other, Written):
            name = other.name
        else:
            name = f"c{len(self.lines)}"
            self.lines.append(f"(float) {name}={other}")
        result = f"r{len(self.lines)}"
        self.lines.append(f"{result} = {function}(x={self.name}, y={name})")
        return Written(result, plain, self.lines)

    def __add__(self, other: Any) -> Written:
        return self._with("add", other, self.plain + getattr(other, "plain", other))

    def __sub__(self, other: Any) -> Written:
        return self._with("subtract", other, self.plain - getattr(other, "plain", other))

    def __mul__(self, other: Any) -> Written:
        return self._with("multiply", other, self.plain * getattr(other, "plain", other))
