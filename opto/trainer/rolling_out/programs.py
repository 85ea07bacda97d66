"""One rollout: a program runs on an example, and a guide judges what it returns. This is what workers do."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, TypeAlias

from opto.trace.arguments import unwrap
from opto.trace.containers import ParameterContainer
from opto.trace.fun_module import FunModule
from opto.trace.modules import Module
from opto.trace.nodes import Node
from opto.trainer.guides.base import Guide
from opto.trainer.objectives import to_score_dict
from opto.trainer.rolling_out.naming import provisional
from opto.trainer.rolling_out.work import beside, settled

__all__ = ["Judging", "aroll_out", "is_async", "judging_for", "parameters_in", "roll_out", "score_in"]

Judging: TypeAlias = Literal["feedback", "metric", "scores", "target"]
"""What to ask the guide for: score and feedback, the score, a dict of scores; "target" is the first with the node."""


def roll_out(content: tuple[Any, Guide, Any], x: Any, info: Any, judging: Judging) -> Any:
    """Run a copy of the program on an example and judge it.

    Args:
        content: the program, the guide, and `forward(program, x, guide, info) -> (target, score, feedback)` or None.
        x: the example.
        info: what the guide is told about the right answer.
        judging: what to return.

    Returns:
        `(score, feedback)`, or `(target, score, feedback)`.
    """
    program, guide, forward = content
    with provisional():
        twin = _copied(program)
        if forward is not None:
            return _checked(settled(forward(twin, x, guide, info)))
        target = settled(twin(x))
        response = _response(target)
        if judging == "metric":
            return guide.metric(x, response, info), None
        if judging == "scores":
            return guide.get_score_dict(x, response, info), None
        verdict = _pair(settled(guide.get_feedback(x, response, info)), guide)
        return (target, *verdict) if judging == "target" else verdict


async def aroll_out(content: tuple[Any, Guide, Any], x: Any, info: Any, judging: Judging) -> Any:
    """`roll_out` on an event loop, which is not blocked: what is not async runs in a thread."""
    program, guide, forward = content
    with provisional():
        twin = _copied(program)
        if forward is not None:
            made = partial(forward, twin, x, guide, info)
            return _checked(await (made() if is_async(forward) else beside(made)))
        target = await (twin(x) if is_async(program) else beside(partial(twin, x)))
        response = _response(target)
        if judging == "metric":
            return await beside(partial(guide.metric, x, response, info)), None
        if judging == "scores":
            return await beside(partial(guide.get_score_dict, x, response, info)), None
        verdict = _pair(await guide.aget_feedback(x, response, info), guide)
        return (target, *verdict) if judging == "target" else verdict


def is_async(program: Any) -> bool:
    """Whether a program is a coroutine function, a bundle of one, or a module whose `forward` is one."""
    if isinstance(program, Module) and not isinstance(program, FunModule):
        program = program.forward
    elif not inspect.isroutine(program) and not isinstance(program, FunModule):
        program = inspect.getattr_static(type(program), "__call__", program)  # an object that can be called
    return inspect.iscoroutinefunction(inspect.unwrap(program))


def parameters_in(program: Any) -> list[Any]:
    """The parameters of a program, each once; none for a plain function."""
    found = program.parameters() if isinstance(program, ParameterContainer) else []
    return list({id(each): each for each in found}.values())


def judging_for(guide: Guide, wanted: Judging) -> Judging:
    """What to ask a guide for so that it yields what is wanted, and feedback besides if that is no further work."""
    kind = type(guide)
    plain = kind.metric is Guide.metric
    if wanted == "metric" and plain:
        return "feedback"
    if wanted == "scores" and plain and kind.get_score_dict is Guide.get_score_dict:
        return "feedback"
    return wanted


def score_in(score: Any, wanted: Judging, guide: Guide) -> Any:
    """The score of an evaluation as plain data in the form that is wanted."""
    try:
        scores = to_score_dict(score)
    except (TypeError, ValueError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"{type(guide).__name__} must give a number, or a dict of numbers, as score: {error}") from error
    return scores if wanted == "scores" or isinstance(score, Mapping) else scores["score"]


def _copied(program: Any) -> Any:
    """A program whose state is its own and whose parameters are shared."""
    return program.copy() if isinstance(program, ParameterContainer) else program


def _response(target: Any) -> Any:
    return target.data if isinstance(target, Node) else unwrap(target)


def _pair(verdict: Any, guide: Guide) -> tuple[Any, Any]:
    if not (isinstance(verdict, tuple) and len(verdict) == 2):
        raise TypeError(f"{type(guide).__name__}.get_feedback must return (score, feedback), got {verdict!r}.")
    return verdict


def _checked(made: Any) -> tuple[Any, Any, Any]:
    if not (isinstance(made, tuple) and len(made) == 3):
        raise TypeError(f"forward must return (target, score, feedback), got {made!r}.")
    return made
