"""Rollouts and evaluations: programs on examples, judged by a guide, through any executor.

with Evaluator(executor=process_pool, timeout=60, cache=ResultCache("runs/first")) as evaluator:
    for evaluation in evaluator.evaluations([Request(agent, x, info) for x, info in data], guide):
        print(evaluation.score, evaluation.feedback)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import Any

from opto.runs import heard, tell
from opto.trainer.executors import LoopExecutor, thread_pool
from opto.trainer.fingerprints.walk import fingerprint
from opto.trainer.guides.functions import as_guide
from opto.trainer.results import ResultCache
from opto.trainer.rolling_out.dispatching import Pool
from opto.trainer.rolling_out.evaluation import Evaluation, Request, Rollout, Settings
from opto.trainer.rolling_out.naming import numbered
from opto.trainer.rolling_out.passes import Pass
from opto.trainer.rolling_out.programs import Judging, is_async, judging_for, score_in
from opto.trainer.rolling_out.step_journal import StepJournal

__all__ = ["Evaluation", "Evaluator", "Request", "Rollout"]


class Evaluator:
    """Runs programs on examples side by side.

    Results come in the order of the requests. A program runs on a copy of its module, so that its state does not go
    from one example to the next, and all see the parameters as they were at the beginning, whoever updates them
    meanwhile.

    A traced program that raises has failed at its example; one that hangs, or takes its worker with it, has failed too,
    once it was retried. Any other error is raised here, once it was retried. Errors of a budget are raised as they are.

    The key of a cached result is a hash of the program (its code, attributes, parameter values and the global variables
    that it reads by name), the guide, the example and the number of the sample. What a program reads besides, such as
    files, is not part of it; see `opto.trainer.fingerprints`.

    Args:
        executor: where to run: an executor, or a function that makes one, which is also called when it broke. None for
            threads, and an event loop for async programs. Budgets, totals and listeners reach what shares memory with
            this process: threads and event loops.
        workers: how many rollouts are under way at once; None for as many as the executor has workers.
        timeout: seconds that a program with its guide may take for one example; None for as long as it likes. In a
            thread, what takes longer is left behind and goes on in vain.
        retries: how often a rollout is tried again.
        cache: results that are known, and where to keep new ones; None for none. Rollouts are not cached.
        identity: gives the text that stands for a program or a guide in the keys of the cache; by default
            `opto.trainer.fingerprints.fingerprint`.
        grace: seconds beyond `timeout` after which a process that reports nothing is ended.

    Raises:
        TypeError: `executor` is neither an executor nor a function.
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        *,
        executor: Executor | Callable[[], Executor] | None = None,
        workers: int | None = None,
        timeout: float | None = None,
        retries: int = 1,
        cache: ResultCache | None = None,
        identity: Callable[[Any], str] = fingerprint,
        grace: float = 60.0,
    ) -> None:
        if executor is not None and not isinstance(executor, Executor) and not callable(executor):
            raise TypeError(f"executor must be an Executor, a function that makes one, or None, got {executor!r}.")
        _check("workers", workers, 1, whole=True)
        _check("timeout", timeout, 0)
        _check("retries", retries, 0, whole=True)
        _check("grace", grace, 0)
        self.settings = Settings(workers, timeout, retries, grace, cache, identity)
        self._given = None if executor is None else Pool(executor)
        self._threads: Pool | None = None
        self._loop: Pool | None = None

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads and processes that it started; an executor that it was given stays. It can be used again."""
        for pool in (self._given, self._threads, self._loop):
            if pool is not None:
                pool.close()

    # ---- what it is for

    def evaluations(
        self, requests: Iterable[Request], guide: Any, *, judging: Judging = "feedback"
    ) -> Iterator[Evaluation]:
        """Run programs and judge them; see `Evaluator`.

        Args:
            requests: taken one by one, as workers become free. Several programs may be among them.
            guide: a `Guide`, or a function as for `as_guide`.
            judging: "feedback" for score and feedback, "metric" for what `guide.metric` says, "scores" for what
                `guide.get_score_dict` says, a dict.

        Returns:
            The evaluations, each as soon as it and all before it are there.

        Raises:
            BudgetExceededError: a budget refused a model call.
            WorkerError: workers die whatever they do, or an executor broke that cannot be replaced.
            Exception: what a program raised, other than an `ExecutionError`, or a guide.
        """
        guide = as_guide(guide)
        asked = judging_for(guide, judging)
        run = Pass(self.settings, guide, None, asked)
        for number, (request, outcome) in enumerate(run.outcomes(requests, self._pool_for)):
            evaluation = run.evaluation(request, outcome)
            if evaluation.failure is None and judging != asked:
                evaluation = replace(evaluation, score=score_in(evaluation.score, judging, guide))
            _tell(number, request.key, evaluation)
            yield evaluation

    def rollouts(
        self,
        requests: Iterable[Request],
        guide: Any,
        *,
        forward: Callable[..., Any] | None = None,
        journal: StepJournal | None = None,
    ) -> Iterator[Rollout]:
        """Run programs, judge them, and keep their graphs, through which feedback can be sent.

        Args:
            requests: as for `evaluations`.
            guide: as for `evaluations`.
            forward: `(agent, x, guide, info) -> (target, score, feedback)`, sync or async: what a rollout does, instead
                of calling the agent and asking the guide.
            journal: keeps each rollout as soon as it is there, and gives those of a step that is begun again.

        Returns:
            The rollouts, each as soon as it and all before it are there.

        Raises:
            Exception: as for `evaluations`.
        """
        guide = as_guide(guide)
        run = Pass(self.settings, guide, forward, "target", journal)
        for number, (asked, outcome) in enumerate(run.outcomes(requests, self._pool_for)):
            evaluation, target = run.rollout(asked, outcome)
            numbered(target)
            _tell(number, "", evaluation)
            request = asked.request
            yield Rollout(request.agent, request.x, request.info, target, evaluation.score, evaluation.feedback)

    # ---- where it runs

    def _pool_for(self, program: Any) -> Pool:
        if self._given is not None:
            return self._given
        if is_async(program):
            if self._loop is None:
                self._loop = Pool(partial(LoopExecutor, self.settings.workers or 64))
            return self._loop
        if self._threads is None:
            self._threads = Pool(partial(thread_pool, self.settings.workers))
        return self._threads


def _tell(number: int, key: str, evaluation: Evaluation) -> None:
    """Let listeners know of an evaluation, in the order of the requests."""
    if heard():
        data = {name: value for name, value in vars(evaluation).items() if name != "feedback"}
        tell("evaluation", {"number": number, "key": key, **data})


def _check(name: str, value: Any, least: float, *, whole: bool = False) -> None:
    kinds = int if whole else (int, float)
    if value is None and name in ("workers", "timeout"):
        return
    good = not isinstance(value, bool) and isinstance(value, kinds) and least <= value < math.inf
    if not good or (name == "timeout" and value == 0):
        bound = "> 0" if name == "timeout" else f">= {least}"
        raise ValueError(f"{name} must be {'an integer' if whole else 'a number'} {bound}, got {value!r}.")
