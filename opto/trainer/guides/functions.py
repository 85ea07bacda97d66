"""Plain functions as guides."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from opto.trainer.guides.base import Guide, Verdict, in_words
from opto.trainer.objectives import to_score_dict

__all__ = ["FunctionGuide", "as_guide"]


class FunctionGuide(Guide):
    """A plain function as a guide; see `as_guide`.

    Args:
        function: `(query, response, reference) -> score | (score, feedback) | bool | dict`; it may be a coroutine
            function.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise TypeError(f"function must be callable, got {function!r}.")
        self.function = function

    def get_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Verdict:
        """What the function says; a score without words gets some.

        Raises:
            TypeError: the function returned no score; it is a coroutine function and an event loop runs on this thread.
            ValueError: a score is not finite.
        """
        result = self.function(query, response, reference, **kwargs)
        if inspect.isawaitable(result):
            from opto.optimizers.drivers import finished

            _refuse_on_a_loop(result)
            result = finished(result)
        return self._verdict(result, reference)

    async def aget_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Verdict:
        """The same without blocking the event loop."""
        import asyncio

        if inspect.iscoroutinefunction(self.function):
            result = await self.function(query, response, reference, **kwargs)
        else:
            result = await asyncio.to_thread(self.function, query, response, reference, **kwargs)
            if inspect.isawaitable(result):
                result = await result
        return self._verdict(result, reference)

    def state(self) -> Mapping[str, Any]:
        """{}: the function is code, and is not saved."""
        return {}

    def _verdict(self, result: Any, reference: Any) -> Verdict:
        name = getattr(self.function, "__name__", type(self.function).__name__)
        score, feedback = result if isinstance(result, tuple) and len(result) == 2 else (result, None)
        if feedback is not None and not isinstance(feedback, str):
            raise TypeError(f"{name} must return a score and feedback in words, got feedback {feedback!r}.")
        try:
            scores = to_score_dict(score)
        except (TypeError, ValueError) as error:
            kind = ValueError if isinstance(error, ValueError) else TypeError
            raise kind(f"{name} must return a score, or a score and feedback: {error}") from error
        plain: float | dict[str, float] = scores if isinstance(score, Mapping) else scores["score"]
        return plain, in_words(score, reference) if feedback is None else feedback


def as_guide(thing: Any) -> Guide:
    """A guide of a guide or of a plain function.

        guide = as_guide(lambda query, response, reference: response == reference)
        guide.get_feedback("2 + 2?", "5", "4")     # (0.0, "Incorrect. The reference is: 4")

    Args:
        thing: a `Guide`, or a function `(query, response, reference)`, sync or async, that returns a number, a bool, a
            dict of numbers for several objectives, or a pair of one of these and feedback in words.

    Raises:
        TypeError: it is neither, or a function that cannot be called with these three.
    """
    if isinstance(thing, Guide):
        return thing
    if isinstance(thing, type) or not callable(thing):
        raise TypeError(
            f"guide must be a Guide, or a function (query, response, reference) -> score or (score, feedback), "
            f"got {thing!r}."
        )
    _check_parameters(thing)
    return FunctionGuide(thing)


def _check_parameters(function: Callable[..., Any]) -> None:
    """Refuse a function that cannot be called with a query, a response and a reference, before anything is run."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C do not tell
        return
    try:
        signature.bind(None, None, None)
    except TypeError:
        name = getattr(function, "__name__", type(function).__name__)
        raise TypeError(
            f"guide must be a function of three arguments (query, response, reference), got {name}{signature}: give it "
            "those parameters, or pass `lambda query, response, reference: ...` that calls it with what it needs."
        ) from None


def _refuse_on_a_loop(result: Awaitable[Any]) -> None:
    """`finished` says to await a step of an optimizer; here it is another method."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    if inspect.iscoroutine(result):
        result.close()
    raise TypeError("a coroutine function cannot be waited for on the event loop: use `await guide.aget_feedback()`.")
