"""The problems: a number, a function and a text to be put right, each drawn from a seed.

They are written with `node`, `bundle` and operators alone, which opto and trace-opt offer under the same names.
"""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from functions import FUNCTIONS

# As a folder of modules: in the environment of trace-opt, `opto` is another package.
sys.path.append(str(Path(__file__).resolve().parents[2] / "opto" / "testing"))

from simulation.limits import limited

from opto.trace import bundle, node
from opto.trace.errors import ExecutionError


@dataclass
class Verdict:
    """What is said of an output: whether it solves the problem, a score (larger is better), and words."""

    solved: bool
    score: float
    words: str


@dataclass
class Problem:
    """Something to optimize.

    Attributes:
        parameters: what may be changed.
        run: runs the program; gives its output, or where it failed, and what is said of that.
        domain: the range of the number, for optimizers that search one.
    """

    parameters: list[Any]
    run: Callable[[], tuple[Any, Verdict]]
    domain: tuple[float, float] | None = None

    def score(self, values: Mapping[Any, Any]) -> float:
        """How good values of the parameters would be; they have their own values again afterwards."""
        kept = {parameter: parameter._data for parameter in self.parameters}
        try:
            for parameter, value in values.items():
                parameter._data = value
            return self.run()[1].score
        finally:
            for parameter, value in kept.items():
                parameter._data = value


# ---- a number

_LOW, _HIGH, _START = 0.5, 8.5, 2.0
_TOLERANCE = 0.02


def numeric(seed: int, *, apart: bool = False) -> Problem:
    """The numerical problem of the Trace paper (arXiv 2406.16218, 5.1): a graph of operators from one number to one
    output, made by drawing again and again an earlier result or a new constant, and an operator; what is said of the
    output is whether it should be larger or smaller.

    Only graphs along which the output rises or falls all the way are taken. It is solved when the output is within 2%
    of the span of outputs over the range of the number.

    Args:
        seed: which graph.
        apart: where an operator would get one node twice, as in `y * y`, it gets it and a copy, as in `y * (y + 0)`.
    """
    rng = random.Random(f"numeric {seed}")
    while True:
        plan = [(rng.choice("+-*"), rng.random(), rng.random(), rng.randint(1, 4)) for _ in range(rng.randint(5, 9))]
        outputs = [_evaluated(_LOW + (_HIGH - _LOW) * place / 40, plan) for place in range(41)]
        steps = [after - before for before, after in itertools.pairwise(outputs)]
        if (min(steps) > 1e-3 or max(steps) < -1e-3) and abs(outputs[-1]) < 1e6:
            break
    wanted = _evaluated(rng.uniform(3.5, 8.0), plan)
    tolerance = _TOLERANCE * abs(outputs[-1] - outputs[0])
    x = node(_START, name="x", trainable=True, description=f"a number between {_LOW:g} and {_HIGH:g}")

    def run() -> tuple[Any, Verdict]:
        output = _evaluated(x, plan, apart=apart)
        gap = wanted - output.data
        way = "larger" if gap > 0 else "smaller"
        return output, Verdict(abs(gap) <= tolerance, -abs(gap), f"The output should be {way}.")

    return Problem([x], run, (_LOW, _HIGH))


def _evaluated(x: Any, plan: list[tuple[str, float, float, int]], *, apart: bool = False) -> Any:
    """The output of the drawn graph; the last result is always used, so that nothing drawn is without effect."""
    results = [x]
    for symbol, which, fresh, constant in plan:
        other = constant if fresh < 0.6 else results[int(which * len(results))]
        last = results[-1]
        if apart and other is last:
            other = last + 0
        results.append(last + other if symbol == "+" else last - other if symbol == "-" else last * other)
    return results[-1]


# ---- a function

_MOST_SHOWN = 2


def code(seed: int) -> Problem:
    """A function with one or two mistakes, and its test cases; the words name up to two cases that fail."""
    name = sorted(FUNCTIONS)[seed % len(FUNCTIONS)]
    function, cases = FUNCTIONS[name]
    order = random.Random(f"code {seed}").sample(cases, len(cases))
    program = bundle(trainable=True)(function)

    @bundle()
    def results(*outputs: Any) -> list[Any]:
        """The results of the test cases, in their order."""
        return list(outputs)

    def run() -> tuple[Any, Verdict]:
        outputs, wrong = [], []
        for arguments, expected in order:
            call = f"{name}({', '.join(map(repr, arguments))})"
            try:
                outputs.append(limited(partial(program, *arguments)))
            except ExecutionError as error:
                return error.exception_node, Verdict(False, 0.0, f"{call} failed, but it should return {expected!r}.")
            given = outputs[-1].data
            if type(given) is not type(expected) or given != expected:
                wrong.append(f"{call} returned {given!r}, but it should return {expected!r}.")
        words = "\n".join(wrong[:_MOST_SHOWN]) or "All test cases pass."
        return results(*outputs), Verdict(not wrong, 1 - len(wrong) / len(order), words)

    return Problem(program.parameters(), run)


# ---- a text

_STARTS = [
    "We got your letter and will look into it soon",
    "Your parcel is late because of the weather in the north",
    "The client asked for a new invoice and we will send one",
    "Thanks for the call, the client team is looking into the matter now",
]
_WORDS = ["refund", "Friday", "invoice number", "receipt", "apology", "phone", "warranty", "office"]


def text(seed: int) -> Problem:
    """A message that must meet four to seven requirements which only the words tell, one unmet one at a time."""
    rng = random.Random(f"text {seed}")
    message = node(rng.choice(_STARTS), name="message", trainable=True, description="a short message to a customer")
    words = rng.sample(_WORDS, rng.randint(2, 4))
    rules: list[tuple[str, Callable[[str], bool]]] = [
        (f'The message should mention "{word}".', _mentions(word)) for word in words
    ]
    length = rng.randint(9, 13)
    rules.append((f"The message should have at most {length} words.", lambda said: len(said.split()) <= length))
    rules.append(('It should begin with "Dear customer".', lambda said: said.startswith("Dear customer")))
    if "client" in message.data:
        rules.append(('Say "you" instead of "client".', lambda said: "client" not in said.lower()))
    rng.shuffle(rules)

    @bundle()
    def send(message: str) -> str:
        """Send the message as it is."""
        return message

    def run() -> tuple[Any, Verdict]:
        output = send(message)
        unmet = [rule for rule, holds in rules if not holds(output.data)]
        return output, Verdict(not unmet, 1 - len(unmet) / len(rules), unmet[0] if unmet else "The message is fine.")

    return Problem([message], run)


def _mentions(word: str) -> Callable[[str], bool]:
    return lambda said: word.lower() in said.lower()


PROBLEMS: dict[str, Callable[[int], Problem]] = {
    "numeric": numeric,
    "apart": partial(numeric, apart=True),
    "code": code,
    "text": text,
}
