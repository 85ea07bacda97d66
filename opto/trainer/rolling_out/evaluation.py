"""What is evaluated, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from opto.trainer.results import ResultCache

__all__ = ["Evaluation", "Request", "Rollout", "Settings"]


class Request(NamedTuple):
    """A program to be run on an example.

    Attributes:
        agent: the program: a module, a bundle or a plain function of one argument, sync or async.
        x: the example.
        info: what the guide is told about the right answer.
        sample: tells repetitions of the same evaluation apart.
    """

    agent: Any
    x: Any
    info: Any = None
    sample: int = 0


@dataclass(frozen=True)
class Evaluation:
    """How good a program is on an example.

    Attributes:
        score: a number or a dict of numbers; None where there is a failure.
        feedback: what the guide said; where there is a failure, what it was, in words.
        failure: None; "error" where the program raised an error that it should answer for (an `ExecutionError`),
            "timeout" where it took too long, "worker" where it took its worker with it.
        seconds: how long it took, once.
        attempts: how often it was tried; 0 where the result was known.
        cached: whether the result was known.
        fresh: whether it counts as new: this run has paid for it, also where it was stopped before it was used. False
            for a result that was used before.
    """

    score: Any
    feedback: Any = None
    failure: str | None = None
    seconds: float = 0.0
    attempts: int = 1
    cached: bool = False
    fresh: bool = True


@dataclass
class Rollout:
    """A program's run on an example, with its graph.

    Attributes:
        module: the program.
        x: the example.
        info: what the guide was told about the right answer.
        target: what the program returned, a node; of a run that failed, an exception node, to which feedback can be
            sent like to any other.
        score: what the guide said; None where the run failed.
        feedback: what the guide said; where the run failed, the error in words.
    """

    module: Any
    x: Any
    info: Any
    target: Any
    score: Any
    feedback: Any


@dataclass(frozen=True)
class Settings:
    """How an `Evaluator` goes about it; see there."""

    workers: int | None
    timeout: float | None
    retries: int
    grace: float
    cache: ResultCache | None
    identity: Callable[[Any], str]
