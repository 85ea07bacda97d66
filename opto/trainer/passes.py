"""One pass over requests: which of them are known, how the others get to a worker, and what their outcomes mean."""

from __future__ import annotations

import contextvars
import hashlib
import math
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from functools import partial
from itertools import chain
from typing import Any

from opto.errors import ExecutionError, OptoWarning, RolloutTimeoutError, WorkerError
from opto.llm.ambient import budgets
from opto.trace.bundle import bundle
from opto.trace.snapshots import snapshot
from opto.trainer.dispatching import Dispatcher, Outcome, Pool, Work
from opto.trainer.evaluation import Evaluation, Request, Settings
from opto.trainer.executors import LoopExecutor, default_workers, shares_memory, workers_of
from opto.trainer.fingerprints import fingerprint
from opto.trainer.guides.base import Guide
from opto.trainer.lanes import LoopWork, ShippedWork, ThreadWork
from opto.trainer.naming import provisional
from opto.trainer.programs import Judging, parameters_in, score_in
from opto.trainer.results import Result
from opto.trainer.shipping import Shipped

__all__ = ["Pass"]

_AHEAD = 2
"""How many rollouts are sent for each worker that shares no memory, so that none waits for the next one to arrive."""


class Pass:
    """One pass over requests.

    Args:
        settings: those of the evaluator.
        guide: judges.
        forward: what a rollout does; None to call the program and ask the guide.
        judging: what to ask the guide for. Nothing is cached where graphs are kept.
    """

    def __init__(self, settings: Settings, guide: Guide, forward: Any, judging: Judging) -> None:
        self._settings, self._guide, self._forward, self._judging = settings, guide, forward, judging
        self._cache = None if judging == "target" else settings.cache
        self._context = contextvars.copy_context()
        self._seen: dict[int, Any] = {}  # programs by id, kept so that no other gets their id
        self._shipped: dict[int, Shipped] = {}
        self._identities: dict[int, str] = {}
        self._keys: deque[str] = deque()
        self._under_way: set[str] = set()
        self._failed: dict[str, Evaluation] = {}

    def outcomes(self, requests: Iterable[Request], pool_for: Callable[[Any], Pool]) -> Iterator[tuple[str, Outcome]]:
        """The key in the cache, "" without one, and the outcome of each request, in their order.

        All that runs sees the parameters as they are now, and the context variables of the caller.

        Args:
            requests: taken one by one.
            pool_for: says where a program runs; asked about the first one.
        """
        waiting = iter(requests)
        first = next(waiting, None)
        if first is None:
            return
        pool = pool_for(first.agent if self._forward is None else self._forward)
        executor = pool.executor
        window, rounds = self._window(executor)
        settings = self._settings
        patience = None
        if settings.timeout is not None and not shares_memory(executor):
            patience = settings.timeout * rounds + settings.grace
        dispatcher = Dispatcher(pool, window=window, retries=settings.retries, patience=patience)
        view = snapshot()
        self._context.run(view.__enter__)
        try:
            works = map(partial(self._work, executor), chain([first], waiting))
            for outcome in dispatcher.outcomes(works):
                yield self._keys.popleft(), outcome
        finally:
            self._context.run(view.__exit__, None, None, None)

    def evaluation(self, key: str, outcome: Outcome) -> Evaluation:
        """What an outcome means, where no graph is kept; what is worth keeping goes into the cache.

        Raises:
            Exception: what the outcome failed with, if it is no failure of the program.
        """
        known = self._known(key, outcome)
        if known is not None:
            return known
        failure = _failure(outcome.error)
        if outcome.error is not None:
            made = Evaluation(None, _told(outcome.error), failure, outcome.seconds, outcome.attempts)
        else:
            score, feedback = outcome.value
            made = Evaluation(
                score_in(score, self._judging, self._guide), feedback, None, outcome.seconds, outcome.attempts
            )
        if key:
            assert self._cache is not None
            if failure is None or outcome.lasting:
                self._cache.put(key, Result(made.score, made.feedback, failure is not None, made.seconds))
            else:
                self._failed[key] = made
        return made

    def rollout(self, request: Request, outcome: Outcome) -> tuple[Evaluation, Any]:
        """What an outcome means, and the node that it ends in.

        Raises:
            Exception: as for `evaluation`.
        """
        error = outcome.error
        failure = _failure(error)
        if error is None:
            target, score, feedback = outcome.value
            return Evaluation(score, feedback, None, outcome.seconds, outcome.attempts), target
        target = error.exception_node if isinstance(error, ExecutionError) else _unfinished(request.agent, error)
        return Evaluation(None, _told(error), failure, outcome.seconds, outcome.attempts), target

    # ---- the way to a worker

    def _window(self, executor: Executor) -> tuple[int, int]:
        """How many rollouts are under way at once, and how many each worker has at most."""
        count = workers_of(executor)
        workers = self._settings.workers or count or default_workers()
        if shares_memory(executor):
            return workers, math.ceil(workers / (count or workers))
        if budgets.get():
            warnings.warn(
                "a budget does not reach other processes: what programs ask models there is neither limited nor "
                "counted. Use threads, or limit the workers' models themselves.",
                OptoWarning,
                stacklevel=4,
            )
        return workers * _AHEAD, math.ceil(workers / (count or workers)) * _AHEAD

    def _work(self, executor: Executor, request: Request) -> Work | Outcome:
        key = self._key(request)
        self._keys.append(key)
        if key:
            assert self._cache is not None
            if key in self._under_way:  # it comes earlier, and its result will be there when this one's turn comes
                return Outcome(_SAME)
            self._under_way.add(key)
            if (found := self._cache.get(key)) is not None:
                return Outcome(found)
        arguments = (request.x, request.info, self._judging)
        content = (request.agent, self._guide, self._forward)
        timeout = self._settings.timeout
        if isinstance(executor, LoopExecutor):
            return LoopWork(self._context, content, arguments, timeout)
        if shares_memory(executor):
            return ThreadWork(self._context, content, arguments, timeout)
        number = self._noted(request.agent)
        if number not in self._shipped:
            self._shipped[number] = self._context.run(Shipped, content, parameters_in(request.agent))
        return ShippedWork(self._shipped[number], arguments, timeout)

    def _noted(self, program: Any) -> int:
        self._seen[id(program)] = program
        return id(program)

    # ---- what is known

    def _key(self, request: Request) -> str:
        if self._cache is None:
            return ""
        example = (request.x, request.info, request.sample)
        parts = (self._identity(request.agent), self._identity(self._guide), self._judging, fingerprint(example))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _identity(self, thing: Any) -> str:
        number = self._noted(thing)
        if number not in self._identities:
            self._identities[number] = self._context.run(self._settings.identity, thing)
        return self._identities[number]

    def _known(self, key: str, outcome: Outcome) -> Evaluation | None:
        found = outcome.value
        if found is _SAME:
            if key in self._failed:
                return self._failed[key]
            assert self._cache is not None
            found = self._cache.get(key)
            assert found is not None
        if not isinstance(found, Result):
            return None
        failure = "error" if found.failed else None
        return Evaluation(found.score, found.feedback, failure, found.seconds, attempts=0, cached=True)


_SAME = object()  # stands for the result of an earlier, equal request


def _failure(error: BaseException | None) -> str | None:
    """What kind of failure of the program an error is, None for no error.

    Raises:
        BaseException: it is none: the run cannot go on as if nothing had happened.
    """
    if error is None:
        return None
    if isinstance(error, ExecutionError):
        return "error"
    if isinstance(error, RolloutTimeoutError):
        return "timeout"
    if isinstance(error, WorkerError):
        return "worker"
    raise error


def _told(error: BaseException) -> str:
    return str(error.exception_node.create_feedback("full")) if isinstance(error, ExecutionError) else str(error)


def _unfinished(program: Any, error: BaseException) -> Any:
    """An exception node for a run that left no graph; feedback to it reaches all parameters of the program."""

    @bundle()
    def unfinished(*parameters: Any) -> None:
        """A run of the program that did not end."""
        raise error

    try:
        with provisional():
            unfinished(*parameters_in(program))
    except ExecutionError as failed:
        return failed.exception_node
    raise AssertionError
