"""Small helpers that existing programs import: functions side by side, batches, and copies of modules."""

from __future__ import annotations

import contextvars
import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from opto.trace.bundle import bundle
from opto.trace.modules import Module
from opto.trace.nodes import Node
from opto.trainer.executors import thread_pool
from opto.trainer.guides.base import Guide
from opto.trainer.rolling_out.work import settled

__all__ = ["async_run", "batch_run", "batchify", "deepcopy_module", "is_node_copy"]

M = TypeVar("M", bound=Module)


def async_run(
    runs: Sequence[Callable[..., Any]],
    args_list: Sequence[Sequence[Any]] | None = None,
    kwargs_list: Sequence[Mapping[str, Any]] | None = None,
    max_workers: int | None = None,
    description: str | None = None,
    allow_sequential_run: bool = True,
) -> list[Any]:
    """Call functions side by side, in threads; also from within a running event loop, which waits meanwhile.

    Each call sees the context variables of the caller, and tracks the nodes that it reads by itself.

    Args:
        runs: the functions; coroutine functions are awaited, on a loop of their own.
        args_list: the positional arguments of each; None for none.
        kwargs_list: the keyword arguments of each; None for none.
        max_workers: how many threads there are; None for at least 6.
        description: what this is for, in words: it names the threads.
        allow_sequential_run: with `max_workers=1`, make the calls in this thread, one after the other.

    Returns:
        What they return, in the order of the functions.

    Raises:
        ValueError: the lists differ in length; `max_workers` is not >= 1.
        Exception: what the first of them raised, in the order of the functions. Those that were not begun are not made.
    """
    positional: Sequence[Sequence[Any]] = [()] * len(runs) if args_list is None else args_list
    keywords: Sequence[Mapping[str, Any]] = [{}] * len(runs) if kwargs_list is None else kwargs_list
    if not len(runs) == len(positional) == len(keywords):
        raise ValueError(
            f"runs, args_list and kwargs_list must have the same length, got {len(runs)}, {len(positional)} and "
            f"{len(keywords)}."
        )
    if max_workers is not None and (not isinstance(max_workers, int) or max_workers < 1):
        raise ValueError(f"max_workers must be an integer >= 1, or None, got {max_workers!r}.")
    calls = [
        functools.partial(_called, run, args, kwargs)
        for run, args, kwargs in zip(runs, positional, keywords, strict=True)
    ]
    if not calls:
        return []
    if max_workers == 1 and allow_sequential_run and not _on_a_loop():
        return [contextvars.copy_context().run(call) for call in calls]
    pool = thread_pool(max_workers, name=description)
    try:
        return [future.result() for future in [pool.submit(contextvars.copy_context().run, call) for call in calls]]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def batch_run(
    max_workers: int | None = None, description: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., list[Any]]]:
    """A decorator: the function takes batches, and is called on their items side by side.

        @batch_run(max_workers=8)
        def length(text, extra):
            return len(text) + extra

        length(["a", "bc"], 1)      # [2, 3]

    Arguments with a `len` are batches, all of one length; others go to every call. Modules and guides are copied for
    each call: what a call changes in their state is not seen by others, while parameters are shared.

    Args:
        max_workers: as for `async_run`.
        description: as for `async_run`.

    Raises:
        ValueError: raised by the decorated function, when batches differ in length.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., list[Any]]:
        @functools.wraps(function)
        def batched(*args: Any, **kwargs: Any) -> list[Any]:
            lengths = {len(each) for each in (*args, *kwargs.values()) if _is_batch(each)}
            if len(lengths) > 1:
                raise ValueError(
                    f"All arguments and keyword arguments must have the same length. Got {sorted(lengths)}."
                )
            count = lengths.pop() if lengths else 1
            positional = [[_item(each, place) for each in args] for place in range(count)]
            keywords = [{name: _item(each, place) for name, each in kwargs.items()} for place in range(count)]
            return async_run([function] * count, positional, keywords, max_workers, description)

        return batched

    return decorate


@bundle()
def batchify(*items: Any) -> str:
    """All items in one text, each in a line with its number."""
    return "".join(f"ID {[number]}: {item}\n" for number, item in enumerate(items))


def is_node_copy(a: Node[Any], b: Node[Any]) -> bool:
    """Whether two nodes are one, or copies, at any remove, of one: judged by their names, which are `..._copy`."""
    return a.py_name.partition("_copy")[0] == b.py_name.partition("_copy")[0]


def deepcopy_module(module: M) -> M:
    """A copy of a module with parameters of its own, which have the names of the originals."""
    originals = dict(module.named_parameters())
    twin = copy.deepcopy(module)
    for path, parameter in twin.named_parameters():
        original = originals[path]
        parameter._base, parameter._index = original._base, original._index
    return twin


def _called(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    return settled(function(*args, **kwargs))


def _on_a_loop() -> bool:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _is_batch(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (Module, Guide))


def _item(value: Any, place: int) -> Any:
    if isinstance(value, (Module, Guide)):
        return value.copy()
    return value[place] if _is_batch(value) else value
