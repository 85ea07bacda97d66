"""How a response comes about, as something that an `Evaluator` can run, and how its verdict comes back with it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opto.llm.from_callable import FromCallable
from opto.llm.model import Model
from opto.trace.containers import ParameterContainer
from opto.trace.fun_module import FunModule
from opto.trace.modules import Module
from opto.trainer.decoding.attempts import Attempt
from opto.trainer.decoding.refining import ModelRefiner
from opto.trainer.guides.base import Guide
from opto.trainer.rolling_out.programs import is_async
from opto.trainer.rolling_out.work import settled

__all__ = ["Verifier", "candidate", "refinement"]


def candidate(program: Any, x: Any, seed: int) -> Any:
    """What makes a candidate: a callable of `x`, sync or async.

    Args:
        program: a module, a bundle or a function of `x`, or a model, which is asked `x`.
        x: what it will be given.
        seed: passed on to a program that takes one.
    """
    if isinstance(program, Model):
        messages = _conversation(x)
        ask: Any = _aanswer if _awaits(program) else _answer
        return _call(ask, program, messages, program.reserve(messages))
    return _call(program, seed=seed) if _takes_seed(program) else program


def refinement(refine: Any, x: Any, attempt: Attempt, history: Sequence[Attempt], seed: int) -> Any:
    """What refines an attempt: a callable of `x`, sync or async.

    Args:
        refine: a `ModelRefiner`, or a function `(x, response, feedback, history)`.
        x: what it will be given.
        attempt: the attempt.
        history: all attempts so far, this one last.
        seed: passed on to a function that takes one.
    """
    if isinstance(refine, ModelRefiner):
        messages = refine.messages(x, attempt.response, attempt.feedback, history)
        options = {**refine.options, **refine.llm.reserve(messages, **refine.options)}
        return _call(refine.aanswer if _awaits(refine.llm) else refine.answer, messages, options)
    further = {"seed": seed} if _takes_seed(refine) else {}
    return _call(refine, attempt.response, attempt.feedback, tuple(history), **further)


class Verifier(Guide):
    """A guide whose feedback brings the response along: `{"response": ..., "feedback": ...}`.

    So a known result in a cache has the response too.
    """

    def __init__(self, guide: Guide) -> None:
        self.guide = guide
        kind = type(guide)
        self._scores_only = kind.get_feedback is Guide.get_feedback and kind.metric is not Guide.metric

    def get_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Any:
        """What the guide says, and the response."""
        if self._scores_only:
            return self._with(response, (self.guide.metric(query, response, reference), ""))
        return self._with(response, settled(self.guide.get_feedback(query, response, reference)))

    async def aget_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Any:
        """The same without blocking the event loop."""
        if self._scores_only:
            return await super().aget_feedback(query, response, reference)
        return self._with(response, await self.guide.aget_feedback(query, response, reference))

    def _with(self, response: Any, verdict: Any) -> Any:
        if not (isinstance(verdict, tuple) and len(verdict) == 2):
            raise TypeError(f"{type(self.guide).__name__}.get_feedback must return (score, feedback), got {verdict!r}.")
        score, feedback = verdict
        return score, {"response": response, "feedback": "" if feedback is None else feedback}


class _Call:
    """A function that is called with `x` and further arguments."""

    def __init__(self, function: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        self.function, self.arguments, self.options = function, arguments, options

    def __call__(self, x: Any) -> Any:
        function = self.function
        if isinstance(function, ParameterContainer):
            function = function.copy()  # its state does not go from one attempt to the next
        return function(x, *self.arguments, **self.options)


class _AsyncCall(_Call):
    """The same of a coroutine function."""

    async def __call__(self, x: Any) -> Any:
        return await super().__call__(x)


def _call(function: Any, *arguments: Any, **options: Any) -> _Call:
    return (_AsyncCall if is_async(function) else _Call)(function, arguments, options)


def _takes_seed(function: Any) -> bool:
    """Whether a parameter of a function, or of the forward pass of a module, is called `seed`."""
    if isinstance(function, FunModule):
        function = function.fun
    elif isinstance(function, Module):
        function = function.forward
    try:
        return "seed" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # some functions written in C do not tell
        return False


def _awaits(model: Model) -> bool:
    """Whether a model has an async form only."""
    return isinstance(model, FromCallable) and is_async(model.function)


def _conversation(x: Any) -> list[Mapping[str, Any]]:
    """A query as messages; a list of messages is one already."""
    if isinstance(x, list) and x and all(isinstance(each, Mapping) and "role" in each for each in x):
        return x
    return [{"role": "user", "content": x if isinstance(x, str) else str(x)}]


def _answer(x: Any, model: Callable[..., Any], messages: Any, options: Mapping[str, Any]) -> str:
    return str(model(messages=messages, **options).text)


async def _aanswer(x: Any, model: Any, messages: Any, options: Mapping[str, Any]) -> str:
    return str((await model.acall(messages=messages, **options)).text)
