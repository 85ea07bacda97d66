"""A problem for opto: its program with nodes for values, and its judge as a guide."""

from __future__ import annotations

import linecache
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

from training_problem import Example, Meter, Parameter, TrainingProblem, limited

from opto.errors import ExecutionError
from opto.trace import Module, bundle, node
from opto.trainer import Guide

__all__ = ["METER", "Judge", "Program", "dataset", "named"]

METER: ContextVar[Meter] = ContextVar("meter")
"""The meter of the run under way: no part of program and guide, so that what was counted does not make them others."""


@dataclass(frozen=True)
class Failed:
    """What a program returns that raised: the kind of the error, and what it says."""

    kind: str
    words: str


class Program(Module):
    """The program of a problem with nodes for values, metered; it is given the name of an example.

    Where it raises, it returns `Failed` as made from the failed call, so that the guide may say what would be right,
    and feedback goes the way of the error.
    """

    def __init__(self, problem: TrainingProblem) -> None:
        self.given = {each.name: _traced(each) for each in problem.parameters}

    def forward(self, example: str) -> Any:
        """What it makes of one example."""
        meter = METER.get()
        meter.counted()
        problem = meter.problem
        values = {
            each.name: partial(_called, self.given[each.name]) if each.kind == "code" else self.given[each.name]
            for each in problem.parameters
        }
        try:
            return problem.compute(values, named(problem, example))
        except ExecutionError as error:
            return failed(error.exception_node)

    def nodes(self) -> dict[str, Any]:
        """Its parameters by the names that the problem has for them."""
        return {name: getattr(each, "parameter", None) or each for name, each in self.given.items()}

    def values(self) -> dict[str, Any]:
        """The values of its parameters as the problem names them."""
        return {name: each.data for name, each in self.nodes().items()}


@bundle()
def failed(error: str) -> Failed:
    """A run that failed."""
    kind, _, words = error.partition(") ")
    return Failed(kind.removeprefix("("), words)


def _traced(parameter: Parameter) -> Any:
    if parameter.kind == "code":
        return bundle(trainable=True)(_function(parameter))
    return node(parameter.start, name=parameter.name, trainable=True, description=parameter.description)


def _called(function: Any, *arguments: Any) -> Any:
    return limited(partial(function, *arguments))


def _function(parameter: Parameter) -> Any:
    """The function that the source defines; its lines are kept where `inspect` finds them."""
    file = f"<start of {parameter.name}>"
    linecache.cache[file] = (len(parameter.start), None, parameter.start.splitlines(keepends=True), file)
    namespace: dict[str, Any] = {"__name__": __name__}
    exec(compile(parameter.start, file, "exec"), namespace)  # a problem's own source
    return namespace[parameter.name]


def named(problem: TrainingProblem, name: str) -> Example:
    """The example of that name."""
    return next(each for each in (*problem.train, *problem.validation, *problem.held_out) if each.name == name)


def dataset(examples: tuple[Example, ...]) -> dict[str, list[str]]:
    """Examples as opto takes them: the program and the judge are given their names."""
    names = [each.name for each in examples]
    return {"inputs": names, "infos": names}


class Judge(Guide):  # type: ignore[misc, unused-ignore]
    """The judge of a problem as a guide; it is asked for the score of an evaluation once."""

    def get_feedback(self, query: Any, response: Any, reference: Any = None, **_: Any) -> tuple[float, str]:
        """The score, with noise if the problem has some, and the remarks."""
        meter = METER.get()
        problem, example = meter.problem, named(meter.problem, query)
        if isinstance(response, Failed):
            verdict = problem.judged_failure(response.kind, response.words, example)
        else:
            verdict = problem.judge(response, example)
        return meter.seen(problem.scalar(verdict), response, example), verdict.words()
