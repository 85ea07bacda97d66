"""Four functions with a bug each, repaired from what their test cases say."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from examples.demo.display import Display
from examples.demo.training import Outcome, attempt, train
from opto.optimizers import OptoPrimeV2
from opto.trace import GRAPH, Node, TraceGraph, bundle
from opto.trace.bundle import FunModule

__all__ = ["PROBLEMS", "run"]

_STEPS = 4


def window_sums(numbers: list[int], size: int) -> list[int]:
    """The sum of each window of `size` neighbouring numbers, from left to right."""
    return [sum(numbers[start : start + size]) for start in range(len(numbers) - size)]


def count_ways(steps: int) -> int:
    """In how many ways a stair of `steps` steps can be climbed, one or two steps at a time.

    There is one way to climb no steps: to stay.
    """
    if steps <= 1:
        return steps
    return count_ways(steps - 1) + count_ways(steps - 2)


def is_leap_year(year: int) -> bool:
    """Whether a year of the Gregorian calendar has 366 days."""
    return year % 4 == 0 and year % 100 != 0 and year % 400 == 0


def most_common_word(text: str) -> str:
    """The word that occurs most often, in lower case; of several the one that comes first."""
    counts: dict[str, int] = {}
    for word in text.lower().split():
        counts[word] = counts[word] + 1
    return max(counts, key=lambda word: counts[word])


@dataclass(frozen=True)
class Problem:
    """A function, what is wrong with it, and what it should give: pairs of arguments and result."""

    function: Callable[..., Any]
    bug: str
    cases: tuple[tuple[tuple[Any, ...], Any], ...]


PROBLEMS = (
    Problem(
        window_sums,
        "off by one",
        ((([1, 2, 3, 4], 2), [3, 5, 7]), (([5, 1, 2], 3), [8]), (([4, 7], 1), [4, 7]), (([1], 2), [])),
    ),
    Problem(count_ways, "wrong base case", (((0,), 1), ((1,), 1), ((2,), 2), ((5,), 8))),
    Problem(is_leap_year, "wrong operator", (((2024,), True), ((2023,), False), ((1900,), False), ((2000,), True))),
    Problem(
        most_common_word,
        "raises",
        ((("the cat and The dog",), "the"), (("b a a b",), "b"), (("To be or not to be",), "to"), (("one",), "one")),
    ),
)


def run(display: Display, answering: Callable[[str], Any]) -> TraceGraph:
    """Repair each function until its tests pass; returns the last graph that led to a step."""
    display.say("Each function's source is the parameter; the feedback is what its test cases give.\n")
    model = answering("code")
    graph = TraceGraph.empty()
    for problem in PROBLEMS:
        GRAPH.clear()
        function = bundle(trainable=True)(problem.function)
        name, total = problem.function.__name__, len(problem.cases)
        optimizer = OptoPrimeV2(function.parameters(), llm=model, format_code=False)
        display.say(f"[bold]{name}[/bold] ({problem.bug})")
        forward = functools.partial(_outcomes, function, problem)
        before = _passed(forward())
        after = _passed(train(display, optimizer, forward, what=f"repairing {name}", steps=_STEPS))
        display.gain(f"{name} ({problem.bug})", f"{before} of {total} tests", f"{after} of {total} tests")
        graph = optimizer.trace_graph
    return graph


def _outcomes(function: FunModule, problem: Problem) -> list[Outcome]:
    return [attempt(_call(function, case), _judge(problem.function.__name__, case)) for case in problem.cases]


def _call(function: FunModule, case: tuple[tuple[Any, ...], Any]) -> Callable[[], Node[Any]]:
    return lambda: function(*case[0])


def _judge(name: str, case: tuple[tuple[Any, ...], Any]) -> Callable[[Any], tuple[bool, str]]:
    arguments, expected = case
    call = f"{name}({', '.join(map(repr, arguments))})"

    def judge(value: Any) -> tuple[bool, str]:
        if type(value) is type(expected) and value == expected:
            return True, f"Correct: {call} is {expected!r}."
        return False, f"Wrong: {call} should be {expected!r}, but it is {value!r}."

    return judge


def _passed(outcomes: list[Outcome]) -> int:
    return sum(each.solved for each in outcomes)
