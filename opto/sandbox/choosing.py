"""Runners by name, so that a word in a program or in the environment puts up walls."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from opto.sandbox.in_process import InProcess

__all__ = ["NAMES", "VARIABLE", "default_runner", "runner_named"]

VARIABLE = "OPTO_SANDBOX"


def _subprocess() -> Any:
    from opto.sandbox.subprocess import Subprocess

    return Subprocess()


def _monty() -> Any:
    from opto.sandbox.monty import Monty

    return Monty()


_MAKERS: dict[str, Callable[[], Any]] = {"in-process": InProcess, "subprocess": _subprocess, "monty": _monty}
NAMES = tuple(_MAKERS)


@functools.cache
def runner_named(name: str) -> Any:
    """The runner of that name with its default limits; one in each process.

    Args:
        name: "in-process", "subprocess" or "monty".

    Raises:
        ValueError: there is none of that name.
    """
    if name not in _MAKERS:
        raise ValueError(f"runner must be one of {', '.join(map(repr, NAMES))}, or an object, got {name!r}.")
    return _MAKERS[name]()


@functools.cache
def default_runner() -> Any:
    """The runner where nothing else was said: what `OPTO_SANDBOX` names when it is first asked for, else in-process.

    Raises:
        ValueError: the variable names no runner.
    """
    name = os.environ.get(VARIABLE, "").strip()
    if name and name not in _MAKERS:
        raise ValueError(f"the environment variable {VARIABLE} must be one of {', '.join(NAMES)}, got {name!r}.")
    return runner_named(name or "in-process")
