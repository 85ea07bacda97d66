"""Search that explores, again and again, the candidates which are most worth it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from opto.optimizers import Optimizer
from opto.trace.modules import Module
from opto.trainer.algorithms.judging import JudgingSearch
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.guides.functions import as_guide
from opto.trainer.loggers import BaseLogger
from opto.trainer.objectives import ObjectiveConfig
from opto.trainer.outcomes import Outcome
from opto.trainer.plan import Plan
from opto.trainer.priority.exploration import Exploration, Samples, ScoresByObjective, blanked
from opto.trainer.priority.memories import HeapMemory, ParetoHeapMemory
from opto.trainer.priority.priorities import Memories, SearchParameters, comparable, scalar, standing, verdict
from opto.trainer.priority.saved_searches import Reporting
from opto.trainer.saving.checkpoints import folder_path
from opto.trainer.saving.state_lines import StateLines
from opto.trainer.session import Session
from opto.trainer.strategies.verdicts import checked_pinned

__all__ = ["HeapMemory", "ModuleCandidate", "ParetoHeapMemory", "PrioritySearch", "SearchParameters"]

Rollouts = dict[ModuleCandidate, list[dict[str, Any]]]


class PrioritySearch(JudgingSearch):
    """Keeps candidates in a memory by priority; an iteration explores the first of them, and judges what comes of it.

        search = PrioritySearch(agent, optimizer, num_threads=8)
        outcome = search.train(guide=guide, train_dataset=train, batch_size=4, num_steps=20, num_candidates=3)

    One iteration: `explore` takes the best candidate and those of the highest priority out of the memory; they are run
    on the next `num_batches` minibatches; `propose` makes new candidates of the feedback; `validate` judges these, on
    the same examples or on some of `validate_dataset`; all go into the memory with the mean of their scores so far, so
    that under noise what was lucky once is explored, and found out; `exploit` says which is the best. Each of these may
    be overridden. The memory begins with copies of the initial program, as many as are explored at a time.

    The search of the Trace project, of which POLCA (arXiv 2603.14769) is the published form; see `POLCA` for its
    further parts.

    Args:
        agent: the program, a `Module`.
        optimizer: proposes values from feedback; or several, that take turns from proposal to proposal.
        num_threads: how many rollouts are under way at once; None for as many as there are workers.
        logger: where numbers and texts go; None for the terminal.

    Attributes:
        n_iters: how many iterations sampled so far, which is the number of the one that comes next.
        memory: the memory that is explored now; `long_term_memory` and `short_term_memory` are both.

    Raises:
        TypeError: `agent` is no `Module`, or an optimizer no `Optimizer`.
        ValueError: there is no optimizer.
    """

    defaults: Mapping[str, Any] = {}
    """Options of `train` that a subclass has other defaults for."""

    _lines: StateLines | None = None

    def __init__(
        self,
        agent: Module,
        optimizer: Optimizer | Sequence[Optimizer],
        num_threads: int | None = None,
        logger: BaseLogger | None = None,
    ) -> None:
        optimizers: list[Any] = list(optimizer) if isinstance(optimizer, (list, tuple)) else [optimizer]
        if not optimizers:
            raise ValueError("optimizer must be an Optimizer or several, got an empty list.")
        for each in optimizers[1:]:
            if not isinstance(each, Optimizer):
                raise TypeError(f"optimizer must hold Optimizers, got {each!r}.")
        super().__init__(agent, optimizers[0], num_threads, logger)
        self.optimizers: list[Optimizer] = optimizers
        self._initialize_search_parameters(**SearchParameters.among(self.defaults))

    # ---- training

    def train(self, guide: Any, train_dataset: Any, **options: Any) -> Outcome:
        """Search until the plan is done or a budget is used up; the program then has the values of the best candidate.

        Args:
            guide: judges responses: a `Guide`, or a function as for `as_guide`.
            train_dataset: examples that feedback is about: whatever `as_dataset` takes.
            **options: those of `SearchParameters` (how candidates are explored and kept), of `Reporting` (minibatches,
                tests, logs, saving), of `Plan` (how far to go), and of `Search.train`: `validate_dataset`,
                `test_dataset`, `executor`, `timeout`, `retries`, `cache`, `budget`, `run_dir`, `resume`.

        Returns:
            How it ended.

        Raises:
            TypeError: an argument of the wrong type, or one that is not known.
            ValueError: one out of its range.
            Exception: as for `Search.train`.
        """
        options = {"batch_size": 1, **self.defaults, **options}
        if options.get("num_threads") is not None:
            self.num_threads = options["num_threads"]
        given = {name: value for name, value in options.items() if name != "num_threads"}
        self._initialize_search_parameters(**SearchParameters.among(given))
        own = [name for name in SearchParameters.names() if name not in Plan.names()]
        reporting = Reporting(**{name: given.pop(name) for name in Reporting.names() if name in given})
        for name in own:
            given.pop(name, None)
        plan = Plan(**{name: given.pop(name) for name in Plan.names() if name in given})
        self._check_plan(plan)
        given.update(self._begin_saving(reporting, guide, train_dataset, options))
        if given.get("run_dir") is not None:
            self._lines = StateLines(folder_path(given["run_dir"]) / "optimizers.jsonl")
        self._minibatch, self.n_iters, self._tested = plan.batch_size, 0, -1
        config = comparable(plan.objective_config, plan.lowest)
        judge = as_guide(guide) if config is None else ScoresByObjective(as_guide(guide))
        names = {name: getattr(plan, name) for name in Plan.names()}
        names.update(batch_size=plan.batch_size * reporting.num_batches, objective_config=config)
        return super().train(judge, train_dataset, **given, **names)

    @classmethod
    def option_names(cls) -> set[str]:
        """Also those of `SearchParameters` and `Reporting`."""
        return {*super().option_names(), *SearchParameters.names(), *Reporting.names(), "num_threads"}

    def _initialize_search_parameters(self, **parameters: Any) -> None:
        """Take over options of `SearchParameters`, and begin with empty memories."""
        self.parameters = SearchParameters(**parameters)
        self.num_candidates, self.num_proposals = self.parameters.num_candidates, self.parameters.num_proposals
        self.use_best_candidate_to_explore = self.parameters.use_best_candidate_to_explore
        self.objective_config: ObjectiveConfig | None = self.parameters.objective_config
        self._memories = Memories(self.parameters, blanked)
        self._best_candidate = None
        self._exploration: Exploration | None = None
        self._rollouts = self._prioritized = 0
        self._dropped = []
        self._lines = None

    # ---- memories

    @property
    def memory(self) -> HeapMemory:
        """The memory that is filled and explored now."""
        return self._memories.current(self.n_iters)

    @property
    def long_term_memory(self) -> HeapMemory:
        """What is kept for good."""
        return self._memories.long_term

    @property
    def short_term_memory(self) -> HeapMemory:
        """What is kept until it goes into the long-term memory."""
        return self._memories.short_term

    # ---- one iteration

    def begin(self) -> None:
        """Fill the memory with the initial program."""
        checked_pinned(self._run)
        for each in self._memories.all:
            each.reset()  # a run that was stopped before its first iteration begins once more
        first, memory = self._run.archive[0], self.memory
        priority = self.compute_exploration_priority(first)
        for number in range(int(min(memory.size, self.num_candidates))):
            memory.push(priority, first if number == 0 else _copy_of(first))
        self._settle()

    def step(self) -> None:
        """One iteration; see the class. What stops it on the way leaves the memory as it was."""
        contents, counts = self._memories.contents(), (self.n_iters, self._rollouts, self._prioritized)
        try:
            self._iterate()
        except BaseException:
            self._memories.put_back(contents)
            self.n_iters, self._rollouts, self._prioritized = counts
            raise

    def _iterate(self) -> None:
        verbose = self._reporting.verbose
        candidates, _, explored = self.explore(verbose=verbose)
        if not candidates:
            raise ValueError(f"{type(self).__name__}.explore must give at least one candidate, it gave none.")
        samples = self.sample(candidates)
        self.n_iters += 1
        proposed = self.propose(samples=samples, verbose=verbose, n_proposals=self.num_proposals)
        screened = self._bridge.screened(proposed, samples, self.screening)
        results = self.validate(candidates=screened, samples=samples, verbose=verbose)
        self.update_memory(results, samples)
        exploited = self._settle()
        involved = {each.number: each for each in (*self._dropped, *map(self._bridge.known, proposed))}
        self._bridge.forget(each for each in involved.values() if not self._keeps(each))
        if self._reporting.logs(self.n_iters):
            for name, value in {**explored, **exploited}.items():
                self.logger.log(name, value, self.n_iters)

    def explore(self, **kwargs: Any) -> tuple[list[ModuleCandidate], list[float], dict[str, Any]]:
        """Take the candidates to be explored out of the memory: the best first, then those of the highest priority.

        Args:
            **kwargs: `count` of them, in place of `num_candidates`; others are for hooks of one's own.

        Returns:
            The candidates, so many at most (the best one comes besides, if no memory has it), their
            priorities, and what is to be logged.
        """
        self._memories.merge(self.n_iters)
        memory = self.memory or next((each for each in self._memories.all if each), self.memory)
        chosen: list[tuple[float, ModuleCandidate]] = []
        best, room = self._best_candidate, kwargs.get("count", self.num_candidates)
        if self.use_best_candidate_to_explore and best is not None:
            found = [score for score in (each.remove(best) for each in self._memories.all) if score is not None]
            chosen.append((found[0] if found else self.compute_exploration_priority(best), best))
            room += not found
        while memory and len(chosen) < room:
            negated, candidate = memory.pop()
            chosen.append((-negated, candidate))
        priorities = [priority for priority, _ in chosen]
        told: dict[str, Any] = {"Explored candidates": len(chosen)}
        if finite := [each for each in priorities if math.isfinite(each)]:
            told["Mean priority of explored candidates"] = sum(finite) / len(finite)
        return [candidate for _, candidate in chosen], priorities, told

    def sample(self, candidates: Sequence[ModuleCandidate]) -> Samples:
        """Run candidates on the next minibatches of training examples."""
        run = self._run
        run.minibatch = self.examples.pick(run)
        return self._bridge.sample(candidates, run.minibatch, self._minibatch)

    def propose(self, samples: Samples, verbose: bool | str = False, n_proposals: int = 1) -> list[ModuleCandidate]:
        """`n_proposals` candidates for each minibatch of rollouts.

        One is the explored candidate itself where nothing new was proposed, and an older one where that has its values.
        """
        return self._bridge.propose(samples, n_proposals)

    def validate(self, candidates: list[ModuleCandidate], samples: Samples, verbose: bool | str = False) -> Rollouts:
        """Judge candidates, and those explored again, on the examples of the samples or on some of `validate_dataset`.

        Returns:
            For each candidate, equal ones being one, its rollouts as dicts; `target` is None where no graph is kept.
        """
        run, bridge = self._run, self._bridge
        proposed = bridge.distinct(candidates)
        explored = [each.candidate for each in samples.taken]
        again = [each for each in explored if self.parameters.validate_exploration_candidates or not each.rollouts]
        if run.validation == "train":
            numbers = {each.number for each in explored}
            results = bridge.judged([each for each in proposed if each.number not in numbers], samples.places)
            return {**results, **{each: bridge.sampled(samples, each) for each in again}}
        others = [each for each in proposed if each not in explored]
        return bridge.judged([*others, *again], self._validation_places(len(samples.places)))

    def update_memory(self, results: Rollouts, samples: Samples) -> None:
        """Put candidates into the memory with the rollouts that they got; those that were explored go back in any case.

        Args:
            results: from `validate`.
            samples: what was explored.
        """
        judged = {self._bridge.known(each): rollouts for each, rollouts in results.items()}
        for each in samples.taken:
            if each.candidate not in judged:
                counts = self._run.validation == "train"
                judged[each.candidate] = self._bridge.sampled(samples, each.candidate) if counts else []
        for candidate, rollouts in judged.items():
            fresh = [each for each in rollouts if not each.get("cached")]
            candidate.add_rollouts(fresh)
            self._rollouts += len(fresh)
            for memory in self._memories.all:
                memory.remove(candidate)
        self._dropped = []
        allowed = self._unregressed(judged)
        self._reprioritize()
        self._memories.rank(allowed)
        for candidate in sorted(allowed):
            dropped = self.memory.push(self.compute_exploration_priority(candidate), candidate)
            if dropped is not candidate and candidate.status != "accepted":
                self._run.archive.accept(candidate, verdict(candidate, self.objective_config))
            if dropped is not None and dropped.number >= 0 and not self._is_unbeaten(dropped):
                self._dropped.append(dropped)
                self._run.archive.reject(dropped, f"no room in the memory: {verdict(dropped, self.objective_config)}")

    def exploit(self, **kwargs: Any) -> tuple[ModuleCandidate, float, dict[str, Any]]:
        """The best candidate by its mean scores, whatever the priorities are (`leads`).

        With a `confidence` above 0.5 it takes the place of the best one only if the evidence is as sure as that.

        Returns:
            The candidate, its mean score as a number, and what is to be logged.
        """
        best = self._memories.best(self._run.best, self._run.validation)
        if best is None:
            negated, best = next(each for each in self._memories.all if each).best
            return best, -negated, {}
        score = float(scalar(standing(best), self.objective_config) or 0.0)
        return best, score, {"Mean score of the best candidate": score}

    def compute_exploration_priority(self, candidate: ModuleCandidate) -> float:
        """How urgent it is to explore a candidate, by `score_function`; infinity for one without scores."""
        return self.parameters.priority(candidate, self._prioritized)

    # ---- keeping

    def state_dict(self) -> dict[str, Any]:
        """What the search remembers, besides the candidates of the run: those that are accepted are in its memory."""
        bridge = self._bridge
        both = self.parameters.memory_update_frequency not in (None, 0)
        return {
            "n_iters": self.n_iters,
            "short_term": [each.number for _, each in self.short_term_memory] if both else [],
            "outside": [] if self._in_memory(self._run.best) else [self._run.best.number],
            "first_optimizers": bridge.first,
            "optimizers": 0 if self._lines is None else self._lines.size,
            "counts": [self._rollouts, self._prioritized, bridge.asked],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember what `state_dict` told."""
        run, bridge = self._run, self._bridge
        self.n_iters = int(state["n_iters"])
        self._rollouts, self._prioritized, bridge.asked = state["counts"]
        bridge.first = list(state["first_optimizers"])
        for each in run.archive:
            each.rollouts = bridge.rollouts(each)
        outside, short = set(state.get("outside", ())), set(state["short_term"])
        kept = [each for each in self._remembered() if each.number not in outside]
        for each in kept:
            memory = self.short_term_memory if each.number in short else self.memory
            if short and memory is not self.short_term_memory:
                memory = self.long_term_memory
            memory.push(self.compute_exploration_priority(each), each)
        self._memories.rank(kept)
        if self._lines is not None:
            numbers = {-1, run.best.number, *(each.number for each in kept)}
            states = self._lines.read(state["optimizers"])
            bridge.states = {number: each for number, each in states.items() if each and number in numbers}
        self._best_candidate = run.best if self._doubts else self.exploit(verbose=False)[0]

    def _remembered(self) -> list[ModuleCandidate]:
        """The candidates of a run that is gone on with which are in a memory."""
        return [each for each in self._run.archive if each.status == "accepted"]

    def _keeps(self, candidate: ModuleCandidate) -> bool:
        return self._in_memory(candidate) or self._is_unbeaten(candidate)

    # ---- internals

    @property
    def _bridge(self) -> Exploration:
        if self._exploration is None or self._exploration.run is not self.run:
            self._exploration = Exploration(self._run, self.optimizers, decoupled=self.parameters.decouple_optimizers)
        return self._exploration

    def _validation_places(self, count: int) -> list[int]:
        run = self._run
        places = run.validation_places()
        count = min(len(places), count if self._reporting.validation_size is None else self._reporting.validation_size)
        return sorted(run.random.sample(places, count))

    def _reprioritize(self) -> None:
        """Confidence bounds depend on the logarithm of all rollouts: make them anew whenever these have doubled."""
        if self.parameters.score_function == "mean" or self._rollouts < 2 * self._prioritized:
            return
        self._prioritized = self._rollouts
        for memory in self._memories.all:
            kept = [candidate for _, candidate in memory]
            memory.reset()
            for each in kept:
                memory.push(self.compute_exploration_priority(each), each)

    def _strategies(self) -> dict[str, Any]:
        return {**super()._strategies(), "search": self}

    def _commit(self, session: Session) -> None:
        run, bridge = self._run, self._bridge
        if self._lines is not None:
            self._lines.write({each: bridge.states.get(each) for each in sorted(bridge.changed)})
        bridge.changed.clear()
        super()._commit(session)
        step = run.counts.steps
        if run.data.test is not None and self._reporting.tests(step) and step != self._tested:
            self._tested = step
            run.evaluate([run.best], split="test", repeats=self._reporting.num_test_samples)
            self.logger.log("Test score", run.best.table("test").mean(), step, color="green")


def _copy_of(candidate: ModuleCandidate) -> ModuleCandidate:
    """An equal candidate that is no part of the archive."""
    return ModuleCandidate(
        candidate.base_module, candidate.update_dict, candidate.optimizer, objective=candidate.objective
    )
