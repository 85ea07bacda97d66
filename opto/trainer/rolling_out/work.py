"""What a worker does: one call, within a time limit, whose outcome is a report and never an exception.

It runs where the executor runs it: in a thread, on an event loop, in another process or on another machine.
"""

from __future__ import annotations

import contextlib
import contextvars
import inspect
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from opto.errors import BudgetExceededError, ExecutionError, ModelError, ReplayDifferenceError

__all__ = ["Report", "aperform", "beside", "budget_error", "perform", "retryable", "settled"]

_LONGEST_CHAIN = 50


class Report(NamedTuple):
    """The outcome of one attempt.

    Attributes:
        value: what the call returned; None where it failed.
        error: what it raised; None where it did not.
        seconds: how long it took.
        timed_out: whether it was given up because it took too long. It may still be running then.
        passing: whether the same call may succeed when it is made again.
        lasting: whether the error is the program's own, which it will raise again. Both are found out by the worker:
            what an error came from is lost on the way to another process.
    """

    value: Any
    error: BaseException | None
    seconds: float
    timed_out: bool = False
    passing: bool = False
    lasting: bool = False


def perform(call: Callable[[], Any], timeout: float | None = None) -> Report:
    """Make a call and report its outcome; an awaitable that it returns is awaited.

    With a time limit the call gets a thread of its own. One that hangs is left behind in it: Python cannot end a
    thread, but the worker is free for other work, and the thread does not keep the process alive.
    """
    if timeout is None:
        return _reported(call)
    import queue
    import threading

    reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
    context = contextvars.copy_context()
    threading.Thread(
        target=lambda: reports.put(context.run(_reported, call)), daemon=True, name="opto-limited-call"
    ).start()
    try:
        return reports.get(timeout=timeout)
    except queue.Empty:
        return Report(None, None, timeout, timed_out=True)


async def aperform(call: Callable[[], Any], timeout: float | None = None) -> Report:
    """`perform` on an event loop: the awaitable that the call returns is cancelled when it takes too long."""
    import asyncio

    start = time.perf_counter()

    async def made() -> Any:
        value = call()
        return (await value) if inspect.isawaitable(value) else value

    task = asyncio.ensure_future(made())
    try:
        done, _ = await asyncio.wait({task}, timeout=timeout)
    finally:
        task.cancel()  # one that is done is left as it is
    seconds = time.perf_counter() - start
    if not done:
        return Report(None, None, seconds, timed_out=True)
    if task.cancelled():
        return Report(None, RuntimeError("the program cancelled its own task"), seconds)
    error = task.exception()
    return Report(task.result(), None, seconds) if error is None else _failure(error, seconds)


async def beside(call: Callable[[], Any]) -> Any:
    """What a call returns that may block, made in a thread beside the event loop.

    The thread is one that keeps neither the loop nor the process alive, for the call may hang.
    """
    import asyncio
    import threading

    loop = asyncio.get_running_loop()
    future: asyncio.Future[Report] = loop.create_future()
    context = contextvars.copy_context()

    def ended(report: Report) -> None:
        if not future.done():  # else it was cancelled: nobody waits any more
            future.set_result(report)

    def work() -> None:
        report = context.run(_reported, call)
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(ended, report)

    threading.Thread(target=work, daemon=True, name="opto-blocking-call").start()
    report = await future
    if report.error is not None:
        raise report.error
    return report.value


def settled(value: Any) -> Any:
    """The value itself, or what comes of it where it is an awaitable; for threads without a running event loop."""
    if not inspect.isawaitable(value):
        return value
    import asyncio

    async def awaited() -> Any:
        return await value

    return asyncio.run(awaited())


def _reported(call: Callable[[], Any]) -> Report:
    start = time.perf_counter()
    try:
        value = settled(call())
    except BaseException as error:
        return _failure(error, time.perf_counter() - start)
    return Report(value, None, time.perf_counter() - start)


def _failure(error: BaseException, seconds: float) -> Report:
    chain = _chain(error)
    own = isinstance(error, ExecutionError) and not any(isinstance(each, (ModelError, OSError)) for each in chain)
    return Report(None, _plain(error), seconds, passing=retryable(error), lasting=own)


def _plain(error: BaseException) -> BaseException:
    """An error to be raised elsewhere: the refusal of a budget as it is, and an exit as an error that tells of it."""
    refused = budget_error(error)
    if refused is not None:
        return refused
    if isinstance(error, SystemExit):
        made = RuntimeError(f"the program wanted to exit: SystemExit({error.code!r})")
        made.__cause__ = error
        return made
    return error


def retryable(error: BaseException) -> bool:
    """Whether the same call may succeed when it is made again.

    A traced program that fails has failed, unless a model did not answer. What a budget or a recording refuses is
    refused again. All else may be the worker's fault.
    """
    chain = list(_chain(error))
    if any(isinstance(each, (BudgetExceededError, ReplayDifferenceError, KeyboardInterrupt)) for each in chain):
        return False
    if isinstance(error, ExecutionError):
        return any(isinstance(each, ModelError) and each.transient for each in chain)
    return True


def budget_error(error: BaseException) -> BudgetExceededError | None:
    """The refusal of a budget that an error comes from, also where a traced program wrapped it; None for others."""
    return next((each for each in _chain(error) if isinstance(each, BudgetExceededError)), None)


def _chain(error: BaseException | None) -> list[BaseException]:
    """An error and what it came from."""
    found: list[BaseException] = []
    while error is not None and len(found) < _LONGEST_CHAIN:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
