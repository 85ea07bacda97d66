"""Scoring values with a plain function: for optimizers that compare several values of one step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from opto.optimizers.drivers import Proposal, called
from opto.optimizers.scores import scores_of
from opto.trace.nodes import feedback_lock
from opto.trace.snapshots import assign

if TYPE_CHECKING:
    from opto.optimizers.optimizer import Update
    from opto.trace.nodes import ParameterNode

__all__ = ["Score", "checked_score", "completed", "scored", "trying"]

Score: TypeAlias = "Callable[[Update], Any]"
"""`score(values) -> float`: how good values are, by parameter; larger is better. It may be a coroutine function."""


def completed(parameters: Iterable[ParameterNode[Any]], values: Mapping[ParameterNode[Any], Any]) -> Update:
    """Values for all trainable parameters: those given, and the present ones of the others."""
    trainable = [parameter for parameter in parameters if parameter.trainable]
    return {parameter: values.get(parameter, parameter._data) for parameter in trainable}


def checked_score(argument: str, score: Any) -> Any:
    """The score function, or None.

    Raises:
        TypeError: it is neither.
    """
    if score is not None and not callable(score):
        raise TypeError(f"{argument} must be a function of the values, {{parameter: value}} -> float, got {score!r}.")
    return score


def scored(score: Score, values: Update) -> Proposal[float]:
    """What a score function says of values: a number, or the mean of several. It may be a coroutine function.

    Raises:
        TypeError: it says something that is no number.
        ValueError: it says something that is not finite.
    """
    scores = scores_of((yield from called(score, dict(values), purpose="score")))
    if not scores or not all(map(math.isfinite, scores)):
        raise ValueError(f"{getattr(score, '__name__', 'score')} must return a finite number, got {scores}.")
    return math.fsum(scores) / len(scores)


@contextmanager
def trying(values: Mapping[ParameterNode[Any], Any]) -> Iterator[None]:
    """Let parameters hold other values for a while, for a score function that runs the program itself:

        def score(values):
            with trying(values):
                return accuracy(program, examples)

    The values are set at once and taken back at once, whatever is raised. Other threads see them too, in the meantime.
    """
    old = {parameter: parameter._data for parameter in values}
    _set(values)
    try:
        yield
    finally:
        _set(old)


def _set(values: Mapping[ParameterNode[Any], Any]) -> None:
    with feedback_lock:
        assign(values.keys(), values.values())
