"""What a code runner is, and which one is in use."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Protocol, runtime_checkable

from opto.sandbox.in_process import InProcess

__all__ = ["CodeRunner", "current_runner", "running"]


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


_runner: ContextVar[CodeRunner] = ContextVar("opto_runner", default=InProcess())  # noqa: B039 - only its cache changes


def current_runner() -> CodeRunner:
    """The runner of this context: `InProcess` unless `running` says otherwise."""
    return _runner.get()


@contextlib.contextmanager
def running(runner: CodeRunner) -> Iterator[CodeRunner]:
    """Use `runner` for the code of this context until the block ends, however it ends; blocks nest.

    Raises:
        TypeError: `runner` has no method `compile`.
    """
    if not isinstance(runner, CodeRunner):
        raise TypeError(f"runner must have a method compile(source, name, namespace), got {runner!r}.")
    token = _runner.set(runner)
    try:
        yield runner
    finally:
        _runner.reset(token)
