"""Search over the parameters of a program: one loop, put together from strategies."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from opto.errors import BudgetExceededError
from opto.llm.ambient import paying
from opto.optimizers import Optimizer
from opto.runs import heard, tell
from opto.trace.modules import Module
from opto.trace.registry import GRAPH
from opto.trainer.data import Data
from opto.trainer.fingerprints.walk import fingerprint
from opto.trainer.guides.functions import as_guide
from opto.trainer.interrupts import Interrupts
from opto.trainer.loggers import BaseLogger
from opto.trainer.outcomes import Outcome
from opto.trainer.plan import Plan, Workload
from opto.trainer.results import ResultCache
from opto.trainer.rollouts import Evaluator
from opto.trainer.run import Exhausted, Run
from opto.trainer.saving.checkpoints import RunFolder
from opto.trainer.session import Session, alone_in_training, compared_with
from opto.trainer.stages import Stages
from opto.trainer.strategies.acceptance import Acceptance, OnValidation
from opto.trainer.strategies.examples import ExampleSelector, Minibatch
from opto.trainer.strategies.leaking import Guarded
from opto.trainer.strategies.parents import Best, ParentSelector
from opto.trainer.strategies.proposers import Proposer, Reflection
from opto.trainer.strategies.screening import Everything, Screening
from opto.trainer.strategies.stopping import Stopping, planned
from opto.trainer.surroundings import Surroundings
from opto.trainer.teaching import teach
from opto.trainer.trainer import Trainer

__all__ = ["Search"]

_PATIENCE_WITH_MODELS = 3
"""After how many steps in a row without any proposal, because models failed, the run ends with the last error."""


@dataclass(frozen=True)
class Ending:
    """Why a loop ended, and whether somebody wanted it to."""

    reason: str
    interrupted: bool = False


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
        defaults: options of `train` that a subclass has other defaults for.

    Raises:
        TypeError: `agent` is no `Module`, or `optimizer` no `Optimizer`.
    """

    defaults: Mapping[str, Any] = {}

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
        self.screening: Screening = Guarded(screening or Everything())
        self.acceptance: Acceptance = acceptance or OnValidation()
        self.stopping = list(stopping)
        self.run: Run | None = None

    def train(
        self,
        guide: Any,
        train_dataset: Any,
        *,
        validate_dataset: Any = None,
        test_dataset: Any = None,
        **options: Any,
    ) -> Outcome:
        """Search until the plan is done or a budget is used up; the program then has the values of the best candidate.

        Ctrl-C, or SIGTERM, ends the run after the step under way, which is saved; a second Ctrl-C raises
        `KeyboardInterrupt` at once, and the folder holds the steps before.

        Args:
            guide: judges responses: a `Guide`, or a function as for `as_guide`.
            train_dataset: examples that feedback is about: whatever `as_dataset` takes.
            validate_dataset: examples that candidates are compared on; None for the same.
            test_dataset: examples that nothing but the score of the final candidate is measured on.
            **options: how far to go: `num_steps`, `max_evaluations`, `batch_size`...; see `opto.trainer.plan.Plan`. And

                - executor: where programs run, see `Evaluator`.
                - timeout: seconds that the program with its guide may take for one example.
                - retries: how often a rollout is tried again.
                - cache: results that are known; None for those of this run, kept in `run_dir` if there is one.
                - budget: an `opto.llm.Budget`, or a dict of its limits, for all model calls; when it is used up the run
                  ends with the best so far.
                - run_dir: a folder in which the run is saved after each step.
                - resume: go on with the run that is in `run_dir`; what it has spent of a budget counts. One that ended,
                  and has no higher limit now, gives its outcome at once.
                - record: whether all events are recorded in `run_dir` too, as by `opto.record`.
                - progress: "auto" to show it where somebody looks on, "live", "plain" or "off", or a `Progress`.

        Returns:
            How it ended. The program has the values of the best candidate, also when an error is raised.

        Raises:
            TypeError: an argument of the wrong type, or one that is not known.
            ValueError: one out of its range; `run_dir` holds a run and `resume` is not set, or the other way round.
            ValueError: another run is training the program.
            RecordInUseError: another process is running in `run_dir`.
            FileFormatError: what is in `run_dir` is damaged, or of a newer version.
            Exception: what a program raised other than an `ExecutionError`, a guide, or a model several times in a row.
        """
        where = Surroundings.names()
        unknown = [name for name in options if name not in where and name not in Plan.names()]
        if unknown:
            raise TypeError(f"{type(self).__name__}.train has no option {unknown[0]!r}: see opto.trainer.plan.Plan.")
        around = Surroundings(**{name: value for name, value in options.items() if name in where})
        plan = self.planned(options)
        data = Data.of(train_dataset, validate_dataset, test_dataset)
        with self._running(as_guide(guide), data, plan, around) as session:
            return session.known or self._finish(self._loop(session), session)

    @classmethod
    def planned(cls, options: Mapping[str, Any]) -> Plan:
        """How far a run with these options of `train` goes."""
        return Plan(**{name: value for name, value in {**cls.defaults, **options}.items() if name in Plan.names()})

    @classmethod
    def option_names(cls) -> set[str]:
        """The names of the options of `train` that its signature leaves out; a subclass with others adds them."""
        return {*Plan.names(), *Surroundings.names()}

    @contextmanager
    def _running(self, guide: Any, data: Data, plan: Plan, around: Surroundings) -> Iterator[Session]:
        """A run with all that it needs; afterwards the program has the best values, whatever happened."""
        with ExitStack() as stack:
            folder = around.folder(stack)
            progress = around.shown(stack, plan)
            interrupts = stack.enter_context(Interrupts(note=progress.note if progress.is_shown else None))
            evaluator = Evaluator(
                executor=around.executor,
                workers=self.num_threads,
                timeout=around.timeout,
                retries=around.retries,
                cache=around.cache or (ResultCache() if folder is None else folder.results),
                identity=self._identity,
            )
            stack.enter_context(evaluator)
            journal = None if folder is None else folder.journal
            self.run = run = Run(Stages(self.agent, self.optimizer), guide, data, plan, evaluator, journal)
            stack.enter_context(alone_in_training(run.stages[0].originals))
            self._numbers = GRAPH.numbers()
            self._began: dict[str, str] = {}
            session = Session(folder, around, interrupts, {**plan.limits, **around.limits})
            if folder is not None and folder.begun:
                session.known = self._restored(folder, session)
            elif folder is not None:
                folder.check(run)
            self._program = self._identified()
            if session.known is None:
                self._began = compared_with(self._began, {"model": self._program, "guide": _seen(run.guide)})
                around.recorded(stack, folder)
            stack.enter_context(paying(around.budget))
            stack.callback(session.note_spent)
            stack.callback(lambda: run.stages[0].put(run.best))
            yield session

    def _loop(self, session: Session) -> Ending:
        """Steps until there is a reason to end, which is returned."""
        try:
            try:
                ending = self._steps(session)
            except Exhausted:
                ending = Ending("all evaluations are used up")
            if not ending.interrupted:
                with suppress(Exhausted):
                    self.end()
        except BudgetExceededError as error:
            return Ending(str(error))
        return ending

    def _steps(self, session: Session) -> Ending:
        run = self._run
        if run.counts.steps == 0:
            session.begin(0)
            self.begin()
            self._commit(session)
        while True:
            reasons = (rule.reached(run) for rule in (*self.stopping, *planned(run)))
            reason = next(filter(None, reasons), None)
            if reason is not None:
                return Ending(reason)
            if session.interrupts.requested:
                return Ending("interrupted", interrupted=True)
            GRAPH.renumber(self._numbers)
            run.random = random.Random(f"{run.plan.seed}/{run.counts.steps + 1}")
            run.errors.clear()
            run.said.clear()
            session.begin(run.counts.steps + 1)
            self.step()
            run.counts.steps += 1
            self._note_failures()
            self._commit(session)

    def begin(self) -> None:
        """What is done before the first step; for subclasses. An acceptance with a `begin` is told to begin.

        A run that is gone on with before its first step was completed begins once more.
        """
        if hasattr(self.acceptance, "begin"):
            self.acceptance.begin(self._run)

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
            teach(run)

    def workload(self, plan: Plan, compared: int) -> Workload:
        """How much a run will do, for an estimate before it begins.

        Args:
            plan: how far it goes.
            compared: how many examples candidates are compared on.
        """
        judging, counted = (getattr(self.acceptance, name, None) for name in ("evaluations", "counted"))
        judged = judging(plan, compared) if judging is not None else (0, (1 + plan.num_proposals) * compared)
        parents, before = getattr(self.parents, "k", 1), 0 if counted is None else counted(compared)
        evaluations = plan.batch_size + judged[0], parents * plan.batch_size + judged[1]
        return Workload(evaluations, (0, parents * plan.num_proposals), before)

    @property
    def _run(self) -> Run:
        if self.run is None:
            raise RuntimeError("there is no run under way: call train() first.")
        return self.run

    def _commit(self, session: Session) -> None:
        run = self._run
        run.stages[0].put(run.best)
        session.save(run, self._about())
        run.archive.forget_changes()
        self._tell()
        if not math.isnan(score := run.score(run.best)) and run.counts.steps:
            self.logger.log("Best score", score, run.counts.steps, color="green")

    def _about(self) -> dict[str, Any]:
        states = {name: part.state_dict() for name, part in self._strategies().items()}
        about = {"algorithm": type(self).__name__, "strategies": states, "numbers": self._numbers}
        return {**about, "seen": self._began}

    def _tell(self) -> None:
        run = self._run
        state = {
            "step": run.counts.steps,
            "steps": run.plan.num_steps,
            "best": run.score(run.best),
            "evaluations": run.counts.evaluations,
            "max_evaluations": run.plan.max_evaluations,
            "candidates": len(run.archive),
            "usd": run.usage.usd,
            "tokens": run.usage.prompt_tokens + run.usage.completion_tokens,
            "event": run.best.verdict,
        }
        if heard():
            tell("training", state)

    def _note_failures(self) -> None:
        """Raise the last error of models that fail step after step."""
        run = self._run
        failed = bool(run.errors) and run.archive[len(run.archive) - 1].step != run.counts.steps
        run.counts.failures = run.counts.failures + 1 if failed else 0
        if run.counts.failures >= _PATIENCE_WITH_MODELS:
            raise run.errors[-1]

    def _finish(self, ending: Ending, session: Session) -> Outcome:
        run = self._run
        notes: tuple[str, ...] = ()
        if run.data.test is not None and ending.interrupted:
            notes = ("The held-out score was not measured, since the run is to go on.",)
        elif run.data.test is not None:
            try:
                run.evaluate([run.best], split="test")
            except BudgetExceededError as error:
                notes = (f"The held-out score is of the test examples that the budget paid for: {error}",)
        if run.counts.failures and run.errors:
            notes += (f"No proposal could be made in the last step: {run.errors[-1]}",)
        if not ending.interrupted:
            session.end(run, self._about(), {"reason": ending.reason, "notes": list(notes)})
        self._tell()
        return Outcome.of(run, ending.reason, interrupted=ending.interrupted, notes=notes)

    def _restored(self, folder: RunFolder, session: Session) -> Outcome | None:
        """Bring back a run; its outcome where there is nothing more to do."""
        run, ended = self._run, folder.ended
        over = ended is not None and ended["limits"] == session.limits
        about = folder.restore(run, ended=over)
        self._numbers, self._began = dict(about["numbers"]), dict(about.get("seen", {}))
        for name, part in self._strategies().items():
            if name not in about["strategies"]:
                raise ValueError(
                    f"algorithm must be the one of the run in {os.fspath(folder.path)!r}, "
                    f"{about.get('algorithm', 'which is another')}: {type(self).__name__} does not know what it needs. "
                    "Begin a new run in another folder to change it."
                )
            part.load_state_dict(about["strategies"][name])
        return Outcome.of(run, ended["reason"], notes=tuple(ended["notes"])) if over and ended is not None else None

    def _strategies(self) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in ("parents", "examples", "proposer", "screening", "acceptance")}
        return {name: part for name, part in parts.items() if hasattr(part, "state_dict")}

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


def _seen(thing: Any) -> str:
    """A fingerprint, or for what cannot be looked into its class: results are then kept for this run only."""
    try:
        return fingerprint(thing)
    except TypeError:
        return f"{type(thing).__module__}.{type(thing).__qualname__}"
