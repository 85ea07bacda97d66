"""What a code runner is, and which one is in use."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Protocol, cast, runtime_checkable

from opto.sandbox.choosing import default_runner, runner_named

__all__ = ["CodeRunner", "checked_runner", "current_runner", "running"]


@runtime_checkable
class CodeRunner(Protocol):
    r"""Turns source text that a model wrote into a callable.

    A runner that cannot keep a wall it promises refuses to start; it never runs code unprotected instead.

        class Shouting:
            def compile(self, source, name, namespace):
                function = InProcess().compile(source, name, namespace)
                return lambda *args, **kwargs: str(function(*args, **kwargs)).upper()

        with running(Shouting()):
            current_runner().compile("def greet(who):\n    return 'hello ' + who", "greet", {})("you")   # 'HELLO YOU'
    """

    def compile(self, source: str, name: str, namespace: Mapping[str, Any]) -> Callable[..., Any]:
        """The callable that `source` defines as `name`, seeing the names of `namespace`.

        Raises:
            CodeError: the text does not parse, fails while it is being defined, or does not define `name` as a
                callable. Its `__cause__` is the original exception, where there is one.
        """
        ...


_runner: ContextVar[CodeRunner | None] = ContextVar("opto_runner", default=None)


def current_runner() -> CodeRunner:
    """The runner of this context: what `running` says, else what `OPTO_SANDBOX` names, else `InProcess`.

    Raises:
        ValueError: the environment variable `OPTO_SANDBOX` names no runner.
    """
    runner = _runner.get()
    return cast(CodeRunner, default_runner()) if runner is None else runner


def checked_runner(runner: CodeRunner | str) -> CodeRunner:
    """A runner, or the one of that name.

    Raises:
        TypeError: it has no method `compile`.
        ValueError: there is none of that name.
    """
    if isinstance(runner, str):
        return cast(CodeRunner, runner_named(runner))
    if not isinstance(runner, CodeRunner):
        raise TypeError(f"runner must have a method compile(source, name, namespace), or be a name, got {runner!r}.")
    return runner


@contextlib.contextmanager
def running(runner: CodeRunner | str) -> Iterator[CodeRunner]:
    """Use `runner` for the code of this context until the block ends, however it ends; blocks nest.

    Args:
        runner: a runner, or the name of one: "in-process", "subprocess" or "monty".

    Raises:
        TypeError: `runner` has no method `compile`.
        ValueError: there is none of that name.
    """
    used = checked_runner(runner)
    token = _runner.set(used)
    try:
        yield used
    finally:
        _runner.reset(token)
