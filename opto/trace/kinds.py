"""The four kinds of function, and how a call of each is run."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from opto.errors import CodeError
from opto.trace import running, streaming

__all__ = ["check_kind", "runner_of"]

_RUNNERS: dict[str, Callable[..., Any]] = {
    "plain function": running.run,
    "coroutine function": running.run_async,
    "generator function": streaming.run_generator,
    "async generator function": streaming.run_async_generator,
}


def runner_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """What runs a call of a bundle: takes the `FunModule`, the arguments and the keyword arguments."""
    return _RUNNERS[_kind_of(function)]


def check_kind(function: Callable[..., Any], original: Callable[..., Any], text: str, name: str) -> None:
    """Check that new code is called as the original is.

    A plain function will do for every kind: what it returns is awaited or iterated.

    Raises:
        CodeError: if the callers of the original could not use `function`, which `text` defines as `name`.
    """
    kind, expected = _kind_of(function), _kind_of(original)
    if kind not in (expected, "plain function"):
        error = CodeError(f"The code must define {name!r} as a {expected}, as it was, not as a {kind}.")
        error.source = text
        raise error


def _kind_of(function: Callable[..., Any]) -> str:
    if inspect.iscoroutinefunction(function):
        return "coroutine function"
    if inspect.isasyncgenfunction(function):
        return "async generator function"
    return "generator function" if inspect.isgeneratorfunction(function) else "plain function"
