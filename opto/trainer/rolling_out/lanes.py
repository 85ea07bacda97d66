"""How a rollout gets to where it runs: into a thread, onto an event loop, or to a worker that shares no memory."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import Context
from functools import partial
from typing import Any

from opto.trainer.rolling_out.dispatching import Work
from opto.trainer.rolling_out.programs import aroll_out, roll_out
from opto.trainer.rolling_out.shipping import Shipped, packed, perform_shipped, received
from opto.trainer.rolling_out.work import Report, aperform, perform

__all__ = ["KeptWork", "LoopWork", "ShippedWork", "ThreadWork"]


class ThreadWork:
    """A rollout in a thread, which has the context variables of `context`."""

    __slots__ = ("_call", "_context", "_timeout")

    def __init__(self, context: Context, content: Any, arguments: tuple[Any, ...], timeout: float | None) -> None:
        self._context, self._timeout = context, timeout
        self._call: Callable[[], Any] = partial(roll_out, content, *arguments)

    def submit(self, executor: Executor) -> Future[Any]:
        """Start an attempt, in a copy of the context."""
        return executor.submit(self._context.copy().run, perform, self._call, self._timeout)

    def opened(self, result: Any) -> Report:
        """The result itself."""
        assert isinstance(result, Report)
        return result


class LoopWork(ThreadWork):
    """A rollout on an event loop."""

    __slots__ = ()

    def __init__(self, context: Context, content: Any, arguments: tuple[Any, ...], timeout: float | None) -> None:
        super().__init__(context, content, arguments, timeout)
        self._call = partial(aroll_out, content, *arguments)

    def submit(self, executor: Executor) -> Future[Any]:
        """Start an attempt; the loop takes the context over."""
        return self._context.copy().run(executor.submit, aperform, self._call, self._timeout)


class ShippedWork:
    """A rollout by a worker that gets copies of everything."""

    __slots__ = ("_job", "_shipped", "_timeout")

    def __init__(self, shipped: Shipped, arguments: tuple[Any, ...], timeout: float | None) -> None:
        self._shipped, self._timeout = shipped, timeout
        self._job = packed(arguments)

    def submit(self, executor: Executor) -> Future[Any]:
        """Start an attempt."""
        attempt = uuid.uuid4().hex
        return executor.submit(perform_shipped, self._shipped.data, self._job, roll_out, self._timeout, attempt)

    def opened(self, result: Any) -> Report:
        """The result with the parameters of this process."""
        return received(result, self._shipped)


class KeptWork:
    """A rollout whose report is kept where and when its attempt ends.

    Args:
        work: the rollout.
        keep: takes the report.
    """

    __slots__ = ("_keep", "_work")

    def __init__(self, work: Work, keep: Callable[[Report], None]) -> None:
        self._work, self._keep = work, keep

    def submit(self, executor: Executor) -> Future[Any]:
        """Start an attempt."""
        return self._work.submit(executor)

    def opened(self, result: Any) -> Report:
        """The report, once it is kept."""
        report = self._work.opened(result)
        self._keep(report)
        return report
