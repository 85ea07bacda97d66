"""A plain callable as a model."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from opto.llm.exchanges import aexchanged, exchanged, watched
from opto.llm.metering import ametered, metered
from opto.llm.model import Model
from opto.llm.response import Response

__all__ = ["FromCallable", "as_model"]


class FromCallable(Model):
    """A model whose answers come from a callable: it is called with exactly the arguments of the request.

        model = FromCallable(lambda messages, **options: "42")
        model(messages=[{"role": "user", "content": "6 * 7?"}]).choices[0].message.content    # "42"

    It pickles when the callable does, and holds no state of its own, so threads may share it when the callable
    allows that. A coroutine function is awaited by `acall`.

    Args:
        function: returns a text, or a mapping or an object in the shape of an OpenAI chat completion.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise TypeError(f"function must be callable, got {type(function).__name__}: {str(function)[:80]!r}")
        self.function = function

    @property
    def name(self) -> str:
        """The name of the callable."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    def complete(self, *args: Any, **options: Any) -> Any:
        """What the callable returns for these arguments."""
        answer = self.function(*args, **options)
        if inspect.iscoroutine(answer):
            answer.close()
            raise TypeError(f"{self.name} is a coroutine function: use `await model.acall(...)`")
        return answer

    async def acomplete(self, *args: Any, **options: Any) -> Any:
        """The same; a coroutine function is awaited, any other one runs in a thread."""
        if _is_async(self.function):
            return await self.function(*args, **options)
        import asyncio

        return await asyncio.to_thread(self.complete, *args, **options)

    def __call__(self, *args: Any, **options: Any) -> Response:
        """The response that the callable's answer stands for."""
        messages, rest = _parted(args, options)
        ask = partial(metered, self, messages, rest, partial(self._completed, args, options))
        return exchanged(self.name, messages, rest, ask) if watched() else ask()

    async def acall(self, *args: Any, **options: Any) -> Response:
        """`__call__` without blocking the event loop."""
        messages, rest = _parted(args, options)
        ask = partial(ametered, self, messages, rest, partial(self._acompleted, args, options))
        return await (aexchanged(self.name, messages, rest, ask) if watched() else ask())

    def _completed(self, args: Any, given: Any, **options: Any) -> Any:
        return self.complete(*args, **given)

    async def _acompleted(self, args: Any, given: Any, **options: Any) -> Any:
        return await self.acomplete(*args, **given)

    def __repr__(self) -> str:
        return f"FromCallable({self.name})"


def _parted(args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The conversation and the options of a call, however they were given."""
    messages = args[0] if args else options.get("messages", ())
    return messages, {name: value for name, value in options.items() if name != "messages"}


def _is_async(function: Callable[..., Any]) -> bool:
    call = getattr(type(function), "__call__", None)  # noqa: B004 (its kind is asked for, not whether it exists)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def as_model(model: Any) -> Model:
    """The given model, or a model made from any callable that answers `(messages, **options)`.

    Raises:
        TypeError: `model` is neither.
    """
    if isinstance(model, Model):
        return model
    if callable(model) and not isinstance(model, type):
        return FromCallable(model)
    hint = f"; did you mean LLM({model!r})?" if isinstance(model, str) else ""
    raise TypeError(
        f"a model must be an opto.llm.Model or a callable (messages, **options) -> answer, "
        f"got {type(model).__name__}: {str(model)[:80]!r}{hint}"
    )
