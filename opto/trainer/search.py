"""Search over the parameters of a program: one loop, put together from strategies."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from opto.errors import BudgetExceededError
from opto.llm.ambient import paying
from opto.optimizers import Optimizer
from opto.runs import heard, tell
from opto.trace.modules import Module
from opto.trace.registry import GRAPH
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.checkpoints import RunFolder
from opto.trainer.data import Data
from opto.trainer.fingerprints import fingerprint
from opto.trainer.guides.functions import as_guide
from opto.trainer.loggers import BaseLogger
from opto.trainer.outcomes import Outcome
from opto.trainer.plan import Plan
from opto.trainer.results import ResultCache
from opto.trainer.rollouts import Evaluator
from opto.trainer.run import Exhausted, Run
from opto.trainer.stages import Stages
from opto.trainer.strategies.acceptance import Acceptance, OnValidation
from opto.trainer.strategies.examples import ExampleSelector, Minibatch
from opto.trainer.strategies.parents import Best, ParentSelector
from opto.trainer.strategies.proposers import Proposer, Reflection
from opto.trainer.strategies.screening import Everything, Screening
from opto.trainer.strategies.stopping import Stopping, planned
from opto.trainer.trainer import Trainer

__all__ = ["Search"]

_PATIENCE_WITH_MODELS = 3
"""After how many steps in a row without any proposal, because models failed, the run ends with the last error."""


@dataclass
class Surroundings:
    """Where and how a run goes on: see `Search.train` for each."""

    executor: Executor | Callable[[], Executor] | None = None
    timeout: float | None = None
    retries: int = 1
    cache: ResultCache | None = None
    budget: Any = None
    run_dir: str | os.PathLike[str] | None = None
    resume: bool = False


class Search(Trainer):
    """Searches for better values of a program's parameters.

    One step is: pick parents, pick training examples, propose candidates, leave out those not worth running, judge the
    others. Each of these is a strategy, an object with one method (see `opto.trainer.strategies`):

        search = Search(
            agent, optimizer,
            parents=Best(), examples=Minibatch(), proposer=Reflection(), acceptance=OnValidation(),
        )
        outcome = search.train(guide, train, validate_dataset=validation, num_steps=20)

    Without strategies of your own it is what these lines say: basic search with validation. A step depends on the seed,
    its number and what was committed before it, whatever the executor and whichever worker is faster.

    Args:
        agent: the program, a `Module`.
        optimizer: proposes values from feedback.
        num_threads: how many rollouts are under way at once; None for as many as there are workers.
        logger: where numbers and texts go; None for the terminal.
        parents: how to pick the candidates that new ones are made from.
        examples: how to pick the training examples that feedback is about.
        proposer: how to make new candidates.
        screening: which of them to run at all.
        acceptance: which of them to accept, and when one takes the place of the best.
        stopping: rules for ending besides those of the plan.

    Attributes:
        run: the run under way, or the last one; None before the first.

    Raises:
        TypeError: `agent` is no `Module`, or `optimizer` no `Optimizer`.
    """

    def __init__(  # noqa: PLR0913  # a strategy for each part of a step
        self,
        agent: Module,
        optimizer: Optimizer,
        num_threads: int | None = None,
        logger: BaseLogger | None = None,
        *,
        parents: ParentSelector | None = None,
        examples: ExampleSelector | None = None,
        proposer: Proposer | None = None,
        screening: Screening | None = None,
        acceptance: Acceptance | None = None,
        stopping: Sequence[Stopping] = (),
    ) -> None:
        super().__init__(agent, num_threads, logger)
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer must be an Optimizer, got {optimizer!r}.")
        self.optimizer = optimizer
        self.parents: ParentSelector = parents or Best()
        self.examples: ExampleSelector = examples or Minibatch()
        self.proposer: Proposer = proposer or Reflection()
        self.screening: Screening = screening or Everything()
        self.acceptance: Acceptance = acceptance or OnValidation()
        self.stopping = list(stopping)
        self.run: Run | None = None

    # ---- the whole

    def train(  # noqa: PLR0913  # what to train on, and where the run goes on
        self,
        guide: Any,
        train_dataset: Any,
        *,
        validate_dataset: Any = None,
        test_dataset: Any = None,
        executor: Executor | Callable[[], Executor] | None = None,
        timeout: float | None = None,
        retries: int = 1,
        cache: ResultCache | None = None,
        budget: Any = None,
        run_dir: str | os.PathLike[str] | None = None,
        resume: bool = False,
        **plan: Any,
    ) -> Outcome:
        """Search until the plan is done or a budget is used up; the program then has the values of the best candidate.

        Args:
            guide: judges responses: a `Guide`, or a function as for `as_guide`.
            train_dataset: examples that feedback is about: whatever `as_dataset` takes.
            validate_dataset: examples that candidates are compared on; None for the same.
            test_dataset: examples that nothing but the score of the final candidate is measured on.
            executor: where programs run, see `Evaluator`.
            timeout: seconds that the program with its guide may take for one example.
            retries: how often a rollout is tried again.
            cache: results that are known; None for those of this run, kept in `run_dir` if there is one.
            budget: an `opto.llm.Budget` for all model calls; when it is used up the run ends with the best so far.
            run_dir: a folder in which the run is saved after each step.
            resume: go on with the run that is in `run_dir`.
            **plan: how far to go: `num_steps`, `max_evaluations`, `batch_size`...; see `opto.trainer.plan.Plan`.

        Returns:
            How it ended. The program has the values of the best candidate, also when an error is raised.

        Raises:
            TypeError: an argument of the wrong type, or one that is not known.
            ValueError: one out of its range; `run_dir` holds a run and `resume` is not set, or the other way round.
            Exception: what a program raised other than an `ExecutionError`, a guide, or a model several times in a row.
        """
        unknown = [name for name in plan if name not in Plan.names()]
        if unknown:
            raise TypeError(f"{type(self).__name__}.train has no option {unknown[0]!r}: see opto.trainer.plan.Plan.")
        around = Surroundings(executor, timeout, retries, cache, budget, run_dir, resume)
        data = Data.of(train_dataset, validate_dataset, test_dataset)
        with self._running(as_guide(guide), data, Plan(**plan), around) as folder:
            return self._finish(self._loop(folder), folder)

    @contextmanager
    def _running(self, guide: Any, data: Data, plan: Plan, around: Surroundings) -> Iterator[RunFolder | None]:
        """A run with all that it needs; afterwards the program has the best values, whatever happened."""
        with ExitStack() as stack:
            folder = None if around.run_dir is None else _opened(around.run_dir, resume=around.resume)
            if folder is not None:
                stack.callback(folder.close)
            evaluator = Evaluator(
                executor=around.executor,
                workers=self.num_threads,
                timeout=around.timeout,
                retries=around.retries,
                cache=around.cache or ResultCache(None if folder is None else folder.path),
                identity=self._identity,
            )
            stack.enter_context(evaluator)
            self.run = run = Run(Stages(self.agent, self.optimizer), guide, data, plan, evaluator)
            self._numbers = GRAPH.numbers()
            if folder is not None and folder.begun:
                self._restore(folder.restore(run))
            self._program = self._identified()
            stack.enter_context(paying(around.budget))
            stack.callback(lambda: run.stages[0].put(run.best))
            yield folder

    def _loop(self, folder: RunFolder | None) -> str:
        """Steps until there is a reason to end, which is returned."""
        run = self._run
        rules = [*self.stopping, *planned(run)]
        try:
            if run.counts.steps == 0:
                self.begin()
                self._commit(folder)
            while True:
                reason = next((why for why in (rule.reached(run) for rule in rules) if why), None)
                if reason is not None:
                    self.end()
                    return reason
                GRAPH.renumber(self._numbers)
                run.random = random.Random(f"{run.plan.seed}/{run.counts.steps + 1}")
                run.errors.clear()
                self.step()
                run.counts.steps += 1
                self._note_failures()
                self._commit(folder)
        except Exhausted:
            self.end()
            return "all evaluations are used up"
        except BudgetExceededError as error:
            return str(error)

    def begin(self) -> None:
        """What is done before the first step; for subclasses, which may evaluate the initial values, for example."""

    def end(self) -> None:
        """What is done when there is a reason to end; for subclasses, which may evaluate what they put off."""

    def step(self) -> None:
        """One step; see the class."""
        run = self._run
        run.parents = self.parents.pick(run)
        run.minibatch = self.examples.pick(run)
        candidates = self.proposer.propose(run, run.parents, run.minibatch)
        candidates = self.screening.keep(run, candidates)
        if candidates:
            self.acceptance.judge(run, candidates)

    # ---- internals

    @property
    def _run(self) -> Run:
        if self.run is None:
            raise RuntimeError("there is no run under way: call train() first.")
        return self.run

    def _commit(self, folder: RunFolder | None) -> None:
        run = self._run
        run.stages[0].put(run.best)
        if folder is not None:
            folder.save(run, {"numbers": self._numbers, "strategies": self._strategy_states()})
        run.archive.forget_changes()
        score = run.score(run.best)
        if heard():
            tell("training", self._status())
        if not math.isnan(score) and run.counts.steps:
            self.logger.log("Best score", score, run.counts.steps, color="green")

    def _status(self) -> dict[str, Any]:
        run = self._run
        return {
            "step": run.counts.steps,
            "steps": run.plan.num_steps,
            "best": run.score(run.best),
            "evaluations": run.counts.evaluations,
            "max_evaluations": run.plan.max_evaluations,
            "candidates": len(run.archive),
            "usd": run.usage.usd,
            "tokens": run.usage.prompt_tokens + run.usage.completion_tokens,
            "note": run.best.verdict,
        }

    def _note_failures(self) -> None:
        """Raise the last error of models that fail step after step."""
        run = self._run
        failed = bool(run.errors) and not any(each.step == run.counts.steps for each in _latest(run))
        run.counts.failures = run.counts.failures + 1 if failed else 0
        if run.counts.failures >= _PATIENCE_WITH_MODELS:
            raise run.errors[-1]

    def _finish(self, reason: str, folder: RunFolder | None) -> Outcome:
        run = self._run
        self._commit(folder)
        held_out = gap = None
        if run.data.test is not None:
            run.evaluate([run.best], split="test")
            held_out = run.best.table("test").mean()
            gap = run.score(run.best) - held_out
        return Outcome(
            best=run.best,
            stopped=reason,
            steps=run.counts.steps,
            evaluations=run.counts.evaluations,
            score=run.score(run.best),
            start=run.score(run.archive[0]),
            held_out=held_out,
            gap=gap,
            archive=run.archive,
            usage=run.usage,
        )

    def _strategies(self) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in ("parents", "examples", "proposer", "screening", "acceptance")}
        return {name: part for name, part in parts.items() if hasattr(part, "state_dict")}

    def _strategy_states(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self._strategies().items()}

    def _restore(self, about: Mapping[str, Any]) -> None:
        self._numbers = dict(about["numbers"])
        for name, part in self._strategies().items():
            part.load_state_dict(about["strategies"][name])

    # ---- what a program is called in the keys of results

    def _identified(self) -> str:
        run = self._run
        run.stages[0].put(run.archive[0])
        return _seen(self.agent)

    def _identity(self, thing: Any) -> str:
        run = self._run
        for place in range(len(run.stages)):
            if run.stages[place].module is thing:
                return f"{self._program} {run.in_place(place).key}"
        return _seen(thing)


def _latest(run: Run) -> list[ModuleCandidate]:
    return [run.archive[number] for number in range(max(0, len(run.archive) - 100), len(run.archive))]


def _seen(thing: Any) -> str:
    """A fingerprint, or for what cannot be looked into its class: results are then kept for this run only."""
    try:
        return fingerprint(thing)
    except TypeError:
        return f"{type(thing).__module__}.{type(thing).__qualname__}"


def _opened(path: str | os.PathLike[str], *, resume: bool) -> RunFolder:
    folder = RunFolder(path)
    if folder.begun and not resume:
        folder.close()
        raise ValueError(f"run_dir {os.fspath(path)!r} holds a run: go on with it by opto.resume, or choose another.")
    if resume and not folder.begun:
        folder.close()
        raise ValueError(f"run_dir {os.fspath(path)!r} holds no run that could be gone on with.")
    return folder
