"""A training run under way: its data, candidates and counts, and what can be done in it."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from opto.llm.ambient import collecting
from opto.llm.totals import Totals
from opto.optimizers import Optimizer
from opto.optimizers.joint import propose_jointly
from opto.optimizers.updates import same_value
from opto.runs import tell
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.counts import Counts
from opto.trainer.data import Data
from opto.trainer.guides.base import Guide
from opto.trainer.loader import DataLoader
from opto.trainer.objectives import Score, to_scalar_score
from opto.trainer.plan import Plan
from opto.trainer.pool.archive import Archive
from opto.trainer.rolling_out.step_journal import StepJournal
from opto.trainer.rollouts import Evaluation, Evaluator, Request, Rollout
from opto.trainer.stages import Stage, Stages

__all__ = ["Counts", "Exhausted", "Run", "Sample"]


class Exhausted(Exception):  # noqa: N818  # no error: it ends a run
    """A pass was not begun, because it would take more evaluations than the plan allows."""


@dataclass
class Sample:
    """Rollouts of a candidate, with the graphs through which feedback is sent.

    Attributes:
        candidate: whose values were in place.
        stage: where they were, and still are.
        places: of the training examples.
        rollouts: one for each of them.
    """

    candidate: ModuleCandidate
    stage: Stage
    places: list[int]
    rollouts: list[Rollout]


class Run:
    """A training run, as strategies see it.

    Args:
        stages: the program and its optimizer.
        guide: judges.
        data: the examples.
        plan: how far it goes.
        evaluator: runs programs.
        journal: keeps what a step has bought until it is committed; None for a run that nothing is kept of.

    Attributes:
        archive: all candidates.
        best: the candidate that the run would end with now.
        counts: what was done so far.
        loader: gives the places of the training examples, a minibatch at a time.
        parents: the candidates that this step's are made from.
        minibatch: the places of the training examples of this step.
        random: a generator of this step's own, made of the seed and the number of the step.
        usage: what model calls took.
        errors: those that left a proposal of this step without values.
        said: by number of a candidate and place, what was said of evaluations on this step's minibatch.
    """

    def __init__(  # the parts of a run
        self,
        stages: Stages,
        guide: Guide,
        data: Data,
        plan: Plan,
        evaluator: Evaluator,
        journal: StepJournal | None = None,
    ) -> None:
        self.stages, self.guide, self.data, self.plan, self.evaluator = stages, guide, data, plan, evaluator
        self._journal = journal
        self.archive = Archive()
        self.counts = Counts()
        self.usage = Totals()
        places = range(len(data.train))
        size = min(plan.batch_size, len(places))  # no example comes twice in a minibatch
        self.loader = DataLoader({"inputs": places, "infos": places}, size, seed=plan.seed)
        self.random = random.Random(f"{plan.seed}/0")
        self.parents: list[ModuleCandidate] = []
        self.minibatch: list[int] = []
        self.errors: list[Exception] = []
        self.said: dict[int, dict[int, Any]] = {}
        self.best = ModuleCandidate(
            stages[0].module,
            optimizer=stages[0].optimizer,
            objective=plan.objective_config,
            reason="the initial values",
        )
        self._in_place = {0: self.best}
        self.archive.add(self.best)
        self.archive.accept(self.best, "the initial values")

    # ---- what strategies read

    @property
    def validation(self) -> str:
        """The split that candidates are compared on: "validate", or "train" where there is no other."""
        return "train" if self.data.validate is None else "validate"

    @property
    def remaining(self) -> int | None:
        """How many more evaluations the plan allows; None for any number."""
        limit = self.plan.max_evaluations
        return None if limit is None else max(0, limit - self.counts.evaluations)

    def validation_places(self) -> range:
        """All places of the examples that candidates are compared on."""
        return range(len(self.data.split(self.validation)))

    def score(self, candidate: ModuleCandidate) -> float:
        """The mean score of a candidate on the examples that candidates are compared on; NaN where it has none."""
        return candidate.table(self.validation).mean()

    def twin_of(self, values: Mapping[Any, Any]) -> ModuleCandidate | None:
        """The first candidate with these values, given for all parameters; None where there is none."""
        return self.archive.twin_of(ModuleCandidate(self.stages[0].module, values, self.stages[0].optimizer))

    def in_place(self, place: int) -> ModuleCandidate:
        """The candidate on a stage."""
        return self._in_place[place]

    # ---- doing

    def new(
        self,
        values: Mapping[Any, Any],
        *,
        parents: Sequence[ModuleCandidate],
        reason: str,
    ) -> ModuleCandidate:
        """A candidate with some values changed from those of its first parent; it is in the archive at once."""
        made = ModuleCandidate(
            self.stages[0].module,
            {**parents[0].update_dict, **values},
            self.stages[0].optimizer,
            objective=self.plan.objective_config,
            parents=parents,
            reason=reason,
        )
        made.step = self.counts.steps + 1
        self.archive.add(made)
        return made

    def roll_out(self, candidates: Sequence[ModuleCandidate], places: Sequence[int]) -> list[Sample]:
        """Run candidates on training examples, keeping the graphs. Their scores count.

        Args:
            candidates: no more than `stages.first` gives stages for; each stays in place on its stage.
            places: of the examples.

        Raises:
            Exhausted: that would be more than the plan allows.
            Exception: as for `Evaluator.rollouts`.
        """
        self._reserve(len(candidates) * len(places))
        stages = self._staged(candidates)
        examples = [self.data.train[place] for place in places]
        requests = [Request(stage.module, x, info) for stage in stages for x, info in examples]
        samples = [
            Sample(candidate, stage, list(places), []) for candidate, stage in zip(candidates, stages, strict=True)
        ]
        with self._paid_by(candidates):
            found = self.evaluator.rollouts(requests, self.guide, journal=self._journal)
            for sample in samples:
                for place in places:
                    rollout = next(found)
                    rollout.score = self._score(rollout.score)
                    sample.rollouts.append(rollout)
                    self.archive.score(sample.candidate, "train", place, rollout.score)
                    self.counts.evaluations += 1
        return samples

    def propose(
        self, samples: Sequence[Sample], count: int = 1, *, only: Sequence[Iterable[Any] | None] | None = None
    ) -> list[ModuleCandidate]:
        """New candidates from the feedback on samples: `count` for each, fewer where proposals fail or change nothing.

        Args:
            samples: of different stages.
            count: how many proposals each sample gets.
            only: for each sample the parameters that may change, those of the program itself; None for all.

        Raises:
            Exception: as for `opto.optimizers.joint.propose_jointly`.
        """
        asked: list[tuple[Sample, Optimizer]] = []
        allowed: list[Iterable[Any] | None] = []
        for sample, chosen in zip(samples, only or [None] * len(samples), strict=True):
            optimizer = sample.stage.optimizer
            asked += [(sample, optimizer), *((sample, copy.deepcopy(optimizer)) for _ in range(count - 1))]
            allowed += [chosen] * count
        return [made for made in self.ask(asked, only=allowed) if made is not None]

    def ask(
        self,
        asked: Sequence[tuple[Sample, Optimizer]],
        *,
        only: Sequence[Iterable[Any] | None] | None = None,
        retain_graph: bool = False,
    ) -> list[ModuleCandidate | None]:
        """The same, where it matters which optimizer made what.

        Args:
            asked: samples, and an optimizer for the parameters of each one's stage; a sample may come several times in
                a row. All samples of one stage must be the same one, since its parameters hold the feedback.
            only: for each pair the parameters that may change, those of the program itself; None for all.
            retain_graph: whether feedback will be sent through the same graphs again.

        Returns:
            For each pair the new candidate; None where a proposal failed or changes nothing.

        Raises:
            Exception: as for `opto.optimizers.joint.propose_jointly`.
        """
        told: set[int] = set()
        allowed: list[list[Any] | None] = []
        for (sample, optimizer), chosen in zip(asked, only or [None] * len(asked), strict=True):
            allowed.append(None if chosen is None else sample.stage.standing_for(chosen))
            if id(sample) not in told:
                told.add(id(sample))
                optimizer.zero_feedback()
                for rollout in sample.rollouts:
                    feedback = _feedback(rollout, optimizer, self.plan)
                    optimizer.backward(rollout.target, feedback, retain_graph=retain_graph)
        usage = Totals()
        with collecting(usage), collecting(self.usage), _in_flight(len(asked)):
            outcomes = self._proposals([optimizer for _, optimizer in asked], allowed)
        made = [self._proposed(sample, outcome) for (sample, _), outcome in zip(asked, outcomes, strict=True)]
        _share([each for each in made if each is not None], usage)
        return made

    def evaluate(
        self,
        candidates: Sequence[ModuleCandidate],
        places: Iterable[int] | None = None,
        *,
        split: str | None = None,
        repeats: int = 1,
    ) -> None:
        """Score candidates on examples; what was scored as often already is left out.

        Args:
            candidates: the results are in their `table(split)`.
            places: of the examples; None for all.
            split: "train", "validate" or "test"; by default the one that candidates are compared on.
            repeats: how many scores each candidate is to have on each example, for noisy ones.

        Raises:
            Exhausted: that would be more than the plan allows.
            Exception: as for `Evaluator.evaluations`.
        """
        split = self.validation if split is None else split
        data = self.data.split(split)
        chosen = list(range(len(data)) if places is None else places)
        wanted = [
            (candidate, place, sample)
            for candidate in {id(each): each for each in candidates}.values()
            for place in chosen
            for sample in range(candidate.table(split).count(place), repeats)
        ]
        if split != "test":
            self._reserve(len(wanted))
        for some in self._in_turns(wanted):
            involved = list({id(candidate): candidate for candidate, _, _ in some}.values())
            stages = dict(zip(map(id, involved), self._staged(involved), strict=True))
            requests = [
                Request(stages[id(candidate)].module, data[place][0], data[place][1], sample)
                for candidate, place, sample in some
            ]
            with self._paid_by(involved):
                found = self.evaluator.evaluations(requests, self.guide, judging=self._judging())
                for (candidate, place, _), evaluation in zip(some, found, strict=True):
                    self.archive.score(candidate, split, place, self._score(evaluation.score))
                    candidate.cost["seconds"] = candidate.cost.get("seconds", 0.0) + evaluation.seconds
                    self._count(evaluation, split)
                    if split == "train" and place in self.minibatch:
                        self.said.setdefault(candidate.number, {})[place] = evaluation.feedback

    def replace_best(self, candidate: ModuleCandidate) -> None:
        """Let a candidate be the one that the run would end with."""
        self.best = candidate
        self.counts.improved = self.counts.steps + 1

    # ---- what is bought, and kept until the step is committed

    def kept_replies(self) -> AbstractContextManager[None]:
        """A block in which answers of models are kept for a step that is begun again, for who asks models itself."""
        return nullcontext() if self._journal is None else self._journal.replies()

    def _proposals(self, optimizers: Sequence[Optimizer], only: Sequence[list[Any] | None]) -> list[Any]:
        with self.kept_replies():
            return list(propose_jointly(optimizers, only=only)) if optimizers else []

    # ---- internals

    def _proposed(self, sample: Sample, outcome: Any) -> ModuleCandidate | None:
        if isinstance(outcome, Exception):
            self.errors.append(outcome)
            return None
        values = {} if not outcome else sample.stage.translated(outcome)
        before = sample.candidate.update_dict
        if all(same_value(before[each], value) for each, value in values.items()):
            return None
        reason = f"reflection on {len(sample.rollouts)} examples of candidate {sample.candidate.number}"
        return self.new(values, parents=[sample.candidate], reason=reason)

    def _judging(self) -> Any:
        return "metric" if self.plan.objective_config is None else "scores"

    def _reserve(self, count: int) -> None:
        if self.remaining is not None and count > self.remaining:
            raise Exhausted

    def _count(self, evaluation: Evaluation, split: str) -> None:
        if split != "test" and evaluation.fresh:
            self.counts.evaluations += 1

    def _score(self, score: Any) -> Score:
        if score is None:
            config = self.plan.objective_config
            return self.plan.lowest if config is None else {config.score_key: self.plan.lowest}
        return self.plan.in_range(score)

    def _staged(self, candidates: Sequence[ModuleCandidate]) -> Sequence[Stage]:
        stages = self.stages.first(len(candidates))
        if len(stages) < len(candidates):
            raise ValueError(f"{len(candidates)} candidates cannot be in place at once: the program cannot be copied.")
        for place, (stage, candidate) in enumerate(zip(stages, candidates, strict=True)):
            stage.put(candidate)
            self._in_place[place] = candidate
        return stages

    def _in_turns(self, wanted: list[Any]) -> Iterator[list[Any]]:
        """All at once, or one candidate after the other where the program cannot be copied."""
        if self.stages.copyable:
            if wanted:
                yield wanted
            return
        for candidate in {id(each[0]): each[0] for each in wanted}.values():
            yield [each for each in wanted if each[0] is candidate]

    @contextmanager
    def _paid_by(self, candidates: Sequence[ModuleCandidate]) -> Iterator[None]:
        usage = Totals()
        with collecting(usage), collecting(self.usage), _in_flight(len(candidates)):
            yield
        _share(candidates, usage)
        for candidate in candidates:
            self.archive.touch(candidate)


@contextmanager
def _in_flight(candidates: int) -> Iterator[None]:
    """A block in which listeners know how many candidates are being proposed or judged."""
    tell("candidates", {"candidates_in_flight": candidates})
    try:
        yield
    finally:
        tell("candidates", {"candidates_in_flight": 0})


def _feedback(rollout: Rollout, optimizer: Optimizer, plan: Plan) -> Any:
    number = to_scalar_score(rollout.score, plan.objective_config)
    words = rollout.feedback
    if optimizer.reads_scores:
        return number, words
    return f"Score: {number:g}" if words is None or words == "" else words


def _share(candidates: Sequence[ModuleCandidate], usage: Totals) -> None:
    """Let candidates bear equal parts of what model calls took."""
    for candidate in candidates:
        tokens = usage.prompt_tokens + usage.completion_tokens
        for name, amount in (("calls", usage.calls), ("tokens", tokens), ("usd", usage.usd)):
            if amount:
                candidate.cost[name] = candidate.cost.get(name, 0.0) + amount / len(candidates)
