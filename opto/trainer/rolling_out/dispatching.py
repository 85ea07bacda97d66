"""Many calls through one executor: their outcomes come in the order of submission, and no worker can end the run.

As many calls are under way as there are workers. A call that fails, hangs or takes its worker with it is made again,
as often as is allowed. When a pool of processes breaks, it is replaced. Calls whose worker died are made again one by
one: so it is known over which of them it dies, and the others are not blamed.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from functools import partial
from typing import Any, NamedTuple, Protocol

from opto.errors import RolloutTimeoutError, WorkerError
from opto.trainer.rolling_out.work import Report

__all__ = ["Dispatcher", "Outcome", "Pool", "Work"]

_AHEAD = 1000
"""How many outcomes may wait for an earlier one before no more calls are started."""

_HOPELESS = 3
"""After how many dead workers, if no call ever came back, the fault is taken to lie in all of them."""


class Work(Protocol):
    """A call that can be made through an executor, again if need be."""

    def submit(self, executor: Executor) -> Future[Any]:
        """Start an attempt."""

    def opened(self, result: Any) -> Report:
        """The report in what the future of an attempt gives; asked for at once, in the thread in which it ended."""


class Outcome(NamedTuple):
    """What came of a call in the end.

    Attributes:
        value: what it returned; None where it failed.
        error: what it raised, or a `WorkerError`; None where it did not fail.
        seconds: how long the last attempt took.
        attempts: how often it was made; 0 for an outcome that was known.
        lasting: whether the error is the program's own, which it would raise again.
    """

    value: Any
    error: BaseException | None = None
    seconds: float = 0.0
    attempts: int = 1
    lasting: bool = False


class Pool:
    """An executor, and how to make another one when it breaks.

    Args:
        executor: the one to use, which belongs to somebody else; or a function that makes one.
    """

    def __init__(self, executor: Executor | Callable[[], Executor]) -> None:
        self._executor: Executor | None = executor if isinstance(executor, Executor) else None
        self._make = None if isinstance(executor, Executor) else executor
        self._own = self._executor is None
        self._lock = threading.Lock()
        self.generation = 0

    @property
    def executor(self) -> Executor:
        """The executor of this generation."""
        with self._lock:
            if self._executor is None:
                if self._make is None:
                    raise RuntimeError("the evaluator is closed: make a new one.")
                self._executor = self._make()
            return self._executor

    @property
    def replaceable(self) -> bool:
        """Whether there can be another one."""
        return self._make is not None

    def replace(self, generation: int, *, kill: bool) -> None:
        """Use a new executor from now on, unless that of `generation` has been replaced already.

        Args:
            generation: the one that is to go.
            kill: end its processes now, with what they are doing; otherwise they end when they are done.
        """
        with self._lock:
            if generation != self.generation or self._make is None:
                return
            old, self._executor = self._executor, None
            self.generation += 1
        if old is not None:
            if kill:
                _kill(old)
            old.shutdown(wait=False)

    def close(self, *, wait: bool = True) -> None:
        """Shut down an executor that was made here."""
        with self._lock:
            old, self._executor = self._executor, None
        if self._own and old is not None:
            old.shutdown(wait=wait, cancel_futures=True)


def _kill(executor: Executor) -> None:
    kill = getattr(executor, "kill_workers", None)  # since Python 3.14
    if kill is not None:
        kill()
        return
    for process in list((getattr(executor, "_processes", None) or {}).values()):
        with contextlib.suppress(Exception):  # it has ended
            process.kill()


class _Attempt(NamedTuple):
    """A call that is under way."""

    number: int
    future: Future[Any]
    generation: int
    deadline: float
    alone: bool


class _Call:
    """A call from its submission to its outcome."""

    __slots__ = ("attempts", "failures", "work")

    def __init__(self, work: Work) -> None:
        self.work = work
        self.attempts = 0
        self.failures = 0  # those for which nobody else may be to blame


class Dispatcher:
    """Makes calls through a pool.

    Args:
        pool: where.
        window: how many are under way at once.
        retries: how often a call is made again that failed for a reason that need not hold the next time.
        patience: seconds after which an attempt that has reported nothing counts as hanging; None for never. It is for
            workers that cannot watch over their own time any more.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        window: int,
        retries: int = 1,
        patience: float | None = None,
    ) -> None:
        self._pool, self._window, self._retries, self._patience = pool, window, retries, patience
        self._calls: dict[int, _Call] = {}
        self._running: dict[int, _Attempt] = {}
        self._again: deque[int] = deque()  # to be made again, with others
        self._suspects: deque[int] = deque()  # to be made again, each alone
        self._finished: dict[int, Outcome] = {}
        self._events: queue.SimpleQueue[tuple[int, Report | BaseException]] = queue.SimpleQueue()
        self._tickets = 0
        self._succeeded = False
        self._hopeless = 0

    def outcomes(self, calls: Iterable[Work | Outcome]) -> Iterator[Outcome]:
        """The outcomes, in the order of the calls, each as soon as it and all before it are there.

        Args:
            calls: what to do, or an outcome that is known already. They are taken as workers become free.

        Raises:
            WorkerError: a pool broke that cannot be replaced, or every worker so far died.
        """
        waiting = enumerate(calls)
        head = submitted = 0
        exhausted = False
        try:
            while True:
                while not exhausted and self._room() and submitted - head < _AHEAD + self._window:
                    index, call = next(waiting, (-1, None))
                    if call is None:
                        exhausted = True
                    elif isinstance(call, Outcome):
                        self._finished[index] = call
                        submitted += 1
                    else:
                        self._calls[index] = _Call(call)
                        self._start(index)
                        submitted += 1
                self._resume()
                if head in self._finished:
                    yield self._finished.pop(head)
                    head += 1
                elif self._running:
                    self._await_one()
                elif exhausted and not self._again and not self._suspects:
                    return
        finally:
            for attempt in self._running.values():
                attempt.future.cancel()

    # ---- starting

    def _room(self) -> bool:
        """Whether a new call may be started: not while a suspect is, or is to be, made alone."""
        return len(self._running) < self._window and not self._suspects and not self._again and not self._one_alone()

    def _one_alone(self) -> bool:
        return len(self._running) == 1 and next(iter(self._running.values())).alone

    def _resume(self) -> None:
        """Start what is to be made again."""
        if self._one_alone():
            return
        while self._again and len(self._running) < self._window and not self._suspects:
            self._start(self._again.popleft())
        if self._suspects and not self._running:
            self._start(self._suspects.popleft(), alone=True)

    def _start(self, index: int, *, alone: bool = False) -> None:
        call = self._calls[index]
        try:
            future = call.work.submit(self._pool.executor)
        except BrokenExecutor as error:
            self._replace(self._pool.generation, error)
            future = call.work.submit(self._pool.executor)
        call.attempts += 1
        deadline = math.inf if self._patience is None else time.monotonic() + self._patience
        ticket, self._tickets = self._tickets, self._tickets + 1
        self._running[ticket] = _Attempt(index, future, self._pool.generation, deadline, alone)
        future.add_done_callback(partial(self._ended, ticket, call.work))

    # ---- ending

    def _ended(self, ticket: int, work: Work, future: Future[Any]) -> None:
        """An attempt ended. This is called in its thread: however long nobody asks for the outcome, it is opened."""
        found: Report | BaseException
        try:
            found = work.opened(future.result(timeout=0))
        except BaseException as error:
            found = error
        self._events.put((ticket, found))

    def _await_one(self) -> None:
        """Wait for an attempt to end, or to hang."""
        # Attempts are in the order of their starts, and so of their deadlines.
        deadline = next(iter(self._running.values())).deadline
        try:
            limit = None if deadline == math.inf else max(0.0, deadline - time.monotonic())
            ticket, found = self._events.get(timeout=limit)
        except queue.Empty:
            self._give_up(next(iter(self._running)))
            return
        attempt = self._running.pop(ticket, None)
        if attempt is None:  # given up earlier
            return
        if isinstance(found, Report):
            self._reported(attempt, found)
        elif isinstance(found, (Exception, CancelledError)):
            if isinstance(found, BrokenExecutor):
                self._replace(attempt.generation, found)
            self._crashed(attempt, found)
        else:
            raise found

    def _reported(self, attempt: _Attempt, report: Report) -> None:
        call = self._calls[attempt.number]
        if report.timed_out:
            if attempt.generation == self._pool.generation and self._recycles():
                self._pool.replace(attempt.generation, kill=False)
            told = f"an example took longer than the {report.seconds:g} s that it may (attempt {call.attempts})"
            self._failed(attempt.number, RolloutTimeoutError(told), report.seconds)
        elif report.error is None:
            self._succeeded = True
            self._end(attempt.number, Outcome(report.value, None, report.seconds, call.attempts))
        elif report.passing:
            self._failed(attempt.number, report.error, report.seconds)
        else:
            outcome = Outcome(None, report.error, report.seconds, call.attempts, report.lasting)
            self._end(attempt.number, outcome)

    def _recycles(self) -> bool:
        """Whether a worker in which a call hangs is a process, which can be done without."""
        return self._pool.replaceable and hasattr(self._pool.executor, "_processes")

    def _failed(self, number: int, error: BaseException, taken: float = 0.0) -> None:
        """An attempt failed in a way that need not be the program's."""
        call = self._calls[number]
        call.failures += 1
        if call.failures <= self._retries:
            self._again.append(number)
        else:
            self._end(number, Outcome(None, error, taken, call.attempts))

    def _crashed(self, attempt: _Attempt, error: BaseException) -> None:
        """An attempt ended without a report, for which it or another one in the same worker may be to blame."""
        call = self._calls[attempt.number]
        if not attempt.alone:
            self._suspects.append(attempt.number)
            return
        call.failures += 1
        if call.failures <= self._retries:
            self._suspects.append(attempt.number)
            return
        told = WorkerError(
            f"a worker died over an example, in {call.attempts} attempts: {type(error).__name__}: {error}"
        )
        told.__cause__ = error
        self._hopeless = 0 if self._succeeded else self._hopeless + 1
        if self._hopeless >= _HOPELESS:
            raise told
        self._end(attempt.number, Outcome(None, told, 0.0, call.attempts))

    def _give_up(self, ticket: int) -> None:
        """An attempt has reported nothing for too long: its worker hangs in a way that it cannot notice itself."""
        attempt = self._running.pop(ticket)
        attempt.future.cancel()
        if self._pool.replaceable:
            self._pool.replace(attempt.generation, kill=True)
        told = f"a worker reported nothing for {self._patience:g} s (attempt {self._calls[attempt.number].attempts})"
        self._failed(attempt.number, RolloutTimeoutError(told))

    def _replace(self, generation: int, error: BrokenExecutor) -> None:
        if not self._pool.replaceable:
            raise WorkerError(
                f"the executor broke ({error}) and cannot be replaced: pass executor=..., a function that makes one, "
                "such as opto.trainer.executors.process_pool, instead of an executor."
            ) from error
        self._pool.replace(generation, kill=False)

    def _end(self, number: int, outcome: Outcome) -> None:
        del self._calls[number]
        self._finished[number] = outcome
