"""`bundle`: make any function one operator of the graph.

A call of a bundled function becomes one node, whatever goes on inside; its arguments are the node's inputs. The
function sees plain data and returns plain data. With `trainable=True` its code is a parameter too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from opto.errors import ExecutionError, TraceMissingInputsError
from opto.sandbox import CodeRunner, checked_runner
from opto.trace.fun_module import FunModule, Options
from opto.trace.nodes import ExceptionNode
from opto.trace.registry import GRAPH
from opto.trace.running import to_data
from opto.trace.source import find_source

__all__ = [
    "ExceptionNode",
    "ExecutionError",
    "FunModule",
    "TraceMissingInputsError",
    "bundle",
    "disable_external_dependencies_check",
    "to_data",
]


def bundle(  # noqa: PLR0913 - most of them are the interface of existing programs
    description: str | None = None,
    traceable_code: bool = False,
    _process_inputs: bool = True,
    trainable: bool = False,
    catch_execution_error: bool = True,
    allow_external_dependencies: bool = False,
    overwrite_python_recursion: bool = False,
    projections: list[Any] | None = None,
    output_name: str | None = None,
    *,
    runner: CodeRunner | str | None = None,
) -> Callable[[Callable[..., Any]], FunModule]:
    """Decorate a function so that each call of it becomes one node of the graph.

    Works on functions, methods, static and class methods, lambdas, coroutine functions, and (async) generator
    functions: a call of a coroutine function is awaited, and the items of a generator function are nodes.

    Args:
        description: what the function does, starting with the operator's name in square brackets; by default its name
            and docstring.
        traceable_code: the body gets nodes and is itself traced; the inner graph is at `info["output"]` of the result.
        _process_inputs: give the body raw values; off, it gets what the caller passed.
        trainable: make the function's source a parameter, which optimizers rewrite; the next call runs the new code.
        catch_execution_error: turn an exception in the body into an `ExecutionError` with a node for it.
        allow_external_dependencies: let the body read nodes that are not among its inputs.
        overwrite_python_recursion: let recursive calls in the body reach the plain function, so that they are not
            traced; implied by `trainable`.
        projections: applied in turn to new code before it is set.
        output_name: the base name of the results, in place of the function's name.
        runner: runs the code of a trainable function: a runner, or its name ("in-process", "subprocess", "monty"). By
            default the one that is in use where it is called; see `opto.sandbox`.

    Returns:
        A decorator that makes a `FunModule`.

    Raises:
        ValueError: if `description` does not start with a name in square brackets, if there is no runner of that name,
            or if `runner` is given for a function that is not trainable.
        TypeError: if what is decorated cannot be called, if `trainable` finds no source to train, or if the parentheses
            of `@bundle()` are missing.
    """
    if callable(description):
        raise TypeError(f"bundle needs its parentheses: write @bundle() above {description!r}.")
    if runner is not None and not trainable:
        raise ValueError(f"runner is for code that optimizers rewrite: add trainable=True, or leave out {runner!r}.")
    frame = sys._getframe(1)
    scope = frame.f_locals if trainable and frame.f_locals is not frame.f_globals else {}
    options = Options(
        description=description,
        traceable_code=traceable_code,
        process_inputs=_process_inputs,
        trainable=trainable,
        catch_execution_error=catch_execution_error,
        allow_external_dependencies=allow_external_dependencies,
        overwrite_python_recursion=overwrite_python_recursion or trainable,
        projections=projections,
        output_name=output_name,
        scope=dict(scope),
        runner=None if runner is None else checked_runner(runner),
    )

    def decorate(function: Callable[..., Any]) -> FunModule:
        return FunModule(function, options, find_source(function, frame=sys._getframe(1)))

    return decorate


def disable_external_dependencies_check(flag: bool | None) -> None:
    """Override what all bundles say of reading nodes that are not inputs.

    Args:
        flag: True to allow it everywhere, False to forbid it everywhere, None to leave it to each bundle.
    """
    GRAPH.external_dependencies_allowed = flag


# `opto.trace.bundle` is this module and, as an attribute of the package, the decorator: both find the names.
for _name in __all__:
    setattr(bundle, _name, globals()[_name])
