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
from typing import Any, NamedTuple

from opto.errors import ExecutionError, OptoWarning
from opto.llm.ambient import budgets
from opto.trace.snapshots import snapshot
from opto.trainer.executors import LoopExecutor, default_workers, shares_memory, workers_of
from opto.trainer.fingerprints.walk import fingerprint
from opto.trainer.guides.base import Guide
from opto.trainer.rolling_out.dispatching import Dispatcher, Outcome, Pool, Work
from opto.trainer.rolling_out.evaluation import Evaluation, Request, Settings
from opto.trainer.rolling_out.failures import failure_of, told, unfinished
from opto.trainer.rolling_out.kept_results import KeptResults
from opto.trainer.rolling_out.kept_rollouts import KeptRollouts
from opto.trainer.rolling_out.lanes import KeptWork, LoopWork, ShippedWork, ThreadWork
from opto.trainer.rolling_out.programs import Judging, parameters_in
from opto.trainer.rolling_out.shipping import Shipped
from opto.trainer.rolling_out.step_journal import Place, StepJournal

__all__ = ["Asked", "Pass"]

_AHEAD = 2
"""How many rollouts are sent for each worker that shares no memory, so that none waits for the next one to arrive."""


class Asked(NamedTuple):
    """A request, and what its outcome is kept under.

    Attributes:
        request: the request.
        key: in the cache of results; "" without one.
        place: in the journal; None without one.
    """

    request: Request
    key: str = ""
    place: Place | None = None


class Pass:
    """One pass over requests.

    Args:
        settings: those of the evaluator.
        guide: judges.
        forward: what a rollout does; None to call the program and ask the guide.
        judging: what to ask the guide for. Where graphs are kept ("target"), results are not cached.
        journal: where rollouts are kept, if graphs are; None for nowhere.
    """

    def __init__(
        self, settings: Settings, guide: Guide, forward: Any, judging: Judging, journal: StepJournal | None = None
    ) -> None:
        self._settings, self._guide, self._forward, self._judging = settings, guide, forward, judging
        self._cached = settings.cache is not None and judging != "target"
        self._results = KeptResults(settings.cache if self._cached else None, guide, judging)
        self._journal = journal
        self._rollouts: KeptRollouts | None = None
        self._context = contextvars.copy_context()
        self._seen: dict[int, Any] = {}  # programs by id, kept so that no other gets their id
        self._shipped: dict[int, Shipped] = {}
        self._identities: dict[int, str] = {}
        self._asked: deque[Asked] = deque()

    def outcomes(self, requests: Iterable[Request], pool_for: Callable[[Any], Pool]) -> Iterator[tuple[Asked, Outcome]]:
        """Each request, with its outcome, in their order.

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
        if self._journal is not None:
            self._rollouts = KeptRollouts(
                self._journal,
                (self._guide, self._forward),
                shared=shares_memory(executor),
                identity=self._identity,
                context=self._context,
            )
        dispatcher = Dispatcher(pool, window=window, retries=settings.retries, patience=patience)
        view = snapshot()
        self._context.run(view.__enter__)
        try:
            works = map(partial(self._work, executor), chain([first], waiting))
            for outcome in dispatcher.outcomes(works):
                yield self._asked.popleft(), outcome
        finally:
            self._context.run(view.__exit__, None, None, None)

    def evaluation(self, asked: Asked, outcome: Outcome) -> Evaluation:
        """What an outcome means, where no graph is kept.

        Raises:
            Exception: what the outcome failed with, if it is no failure of the program.
        """
        return self._results.evaluation(asked.key, outcome)

    def rollout(self, asked: Asked, outcome: Outcome) -> tuple[Evaluation, Any]:
        """What an outcome means, and the node that it ends in.

        Raises:
            Exception: as for `evaluation`.
        """
        error = outcome.error
        failure = failure_of(error)
        if self._rollouts is not None:
            self._rollouts.check()
            self._rollouts.keep_end(asked.place, outcome)
        known = outcome.attempts == 0
        if error is None:
            target, score, feedback = outcome.value
            return Evaluation(score, feedback, None, outcome.seconds, outcome.attempts, known), target
        program = asked.request.agent
        target = error.exception_node if isinstance(error, ExecutionError) else unfinished(program, error)
        return Evaluation(None, told(error), failure, outcome.seconds, outcome.attempts, known), target

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
        """The call that a request asks for, or its outcome where that is known."""
        if self._rollouts is not None:
            place = self._rollouts.place(request)
            self._asked.append(Asked(request, place=place))
            known = self._rollouts.taken(place, request)
            keep = partial(self._rollouts.keep, place, request)
            return KeptWork(self._call(executor, request), keep) if known is None else known
        key = self._key(request) if self._cached else ""
        self._asked.append(Asked(request, key))
        known = self._results.outcome(key)
        if known is not None:
            return known
        call = self._call(executor, request)
        return KeptWork(call, partial(self._results.keep, key)) if self._cached else call

    def _call(self, executor: Executor, request: Request) -> Work:
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
        example = (request.x, request.info, request.sample)
        parts = (self._identity(request.agent), self._identity(self._guide), self._judging, fingerprint(example))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _identity(self, thing: Any) -> str:
        number = self._noted(thing)
        if number not in self._identities:
            self._identities[number] = self._context.run(self._settings.identity, thing)
        return self._identities[number]
