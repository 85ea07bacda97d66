"""Between a run and the hooks of a priority search: rollouts of candidates, proposals from them, their judgement.

A run knows candidates on stages and tables of scores; the hooks know lists of candidates, samples of rollouts, and
rollouts as dicts. All that leads from one to the other is here.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opto.optimizers import Optimizer
from opto.optimizers.joint import rebound
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.guides.base import Guide, Verdict
from opto.trainer.objectives import Score, to_score_dict
from opto.trainer.priority.priorities import scalar
from opto.trainer.run import Run, Sample
from opto.trainer.sampler import BatchRollout
from opto.trainer.stages import Stage
from opto.trainer.strategies.screening import Screening

__all__ = ["Exploration", "ScoresByObjective", "Samples", "blanked"]

_KEPT = ("score", "score_dict")


@dataclass
class Samples:
    """What exploring gave.

    Attributes:
        batches: a `BatchRollout` for each explored candidate and minibatch, those of one candidate in a row.
        candidates: for each of them, the candidate.
        dataset: the examples, `{"inputs": [...], "infos": [...]}`.
        places: of these examples in the training dataset.
        taken: what was run: equal candidates only once.
    """

    batches: list[BatchRollout]
    candidates: list[ModuleCandidate]
    dataset: dict[str, list[Any]]
    places: list[int]
    taken: list[Sample] = field(repr=False, default_factory=list)

    @property
    def n_batchrollouts(self) -> int:
        """How many minibatches of rollouts there are."""
        return len(self.batches)

    def __iter__(self) -> Iterator[BatchRollout]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)

    def get_scores(self) -> list[list[Any]]:
        """The scores of each minibatch."""
        return [each.get_scores() for each in self.batches]


class ScoresByObjective(Guide):
    """A guide whose scores are those of another one by objective.

    Args:
        guide: the other one.
    """

    def __init__(self, guide: Guide) -> None:
        self.guide = guide
        self._once = type(guide).get_score_dict is Guide.get_score_dict and type(guide).metric is Guide.metric

    def get_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Verdict:
        """The feedback, with the scores by objective; a guide that does not tell these apart is asked once."""
        score, feedback = self.guide.get_feedback(query, response, reference, **kwargs)
        return self._scores(score, query, response, reference, **kwargs), feedback

    async def aget_feedback(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> Verdict:
        """The same without blocking the event loop."""
        import asyncio

        score, feedback = await self.guide.aget_feedback(query, response, reference, **kwargs)
        scores = await asyncio.to_thread(self._scores, score, query, response, reference, **kwargs)
        return scores, feedback

    def metric(self, query: Any, response: Any, reference: Any = None, **kwargs: Any) -> dict[str, float]:
        """The scores by objective."""
        return self.guide.get_score_dict(query, response, reference, **kwargs)

    def _scores(self, score: Any, query: Any, response: Any, reference: Any, **kwargs: Any) -> dict[str, float]:
        if self._once:
            return to_score_dict(score)
        return to_score_dict(self.guide.get_score_dict(query, response, reference, **kwargs))


class Exploration:
    """Runs, proposes and judges candidates for a priority search.

    Args:
        run: the run under way.
        optimizers: propose, one after the other; the first is the run's own.
        decoupled: whether each candidate has an optimizer's state of its own.

    Attributes:
        states: by number of a candidate, the state of each optimizer; -1 for the one that is shared.
        first: the state of each optimizer that candidates without one begin with.
        asked: how many proposals were asked for so far.
        context: what optimizers are told besides their `objective`, "" for nothing.
        changed: numbers of the candidates whose states changed since they were saved.
    """

    def __init__(self, run: Run, optimizers: Sequence[Optimizer], *, decoupled: bool = True) -> None:
        self.run, self._optimizers, self._decoupled = run, list(optimizers), decoupled
        self.states: dict[int, list[dict[str, Any]]] = {}
        self.asked = 0
        self.first = [copy.deepcopy(each.state_dict()) for each in self._optimizers]
        self.context = ""
        self.changed: set[int] = set()
        self._objectives = [getattr(each, "objective", None) for each in self._optimizers]
        self._on_stages: dict[tuple[int, int], Optimizer] = {}

    def known(self, candidate: ModuleCandidate) -> ModuleCandidate:
        """The candidate of the archive with these values; one that is new to it is taken in."""
        archive = self.run.archive
        if 0 <= candidate.number < len(archive) and archive[candidate.number] is candidate:
            return candidate
        twin = archive.twin_of(candidate)
        if twin is not None:
            return twin
        originals = {_own_name(each.py_name): each for each in self.run.stages[0].originals}
        unknown = [name for name in candidate.values if _own_name(name) not in originals]
        if unknown:
            raise ValueError(f"a candidate names the parameter {unknown[0]!r}, which the program does not have.")
        values = {originals[_own_name(name)]: value for name, value in candidate.values.items()}
        return self.run.new(values, parents=[archive[0]], reason=candidate.reason or "made by a hook")

    def distinct(self, candidates: Iterable[ModuleCandidate]) -> list[ModuleCandidate]:
        """The candidates of the archive that these are, each once."""
        return list({id(each): each for each in map(self.known, candidates)}.values())

    def forget(self, candidates: Iterable[ModuleCandidate]) -> None:
        """Forget the states that go with these candidates."""
        for each in candidates:
            if self.states.pop(each.number, None) is not None:
                self.changed.add(each.number)

    # ---- sampling

    def sample(self, candidates: Sequence[ModuleCandidate], places: Sequence[int], size: int) -> Samples:
        """Run candidates on training examples; equal ones once, where the program can be copied side by side.

        Args:
            candidates: those that are explored.
            places: of the examples.
            size: how many examples a minibatch has.
        """
        run, distinct = self.run, self.distinct(candidates)
        turns = [distinct] if run.stages.copyable else [[each] for each in distinct]
        taken = {sample.candidate.number: sample for some in turns for sample in run.roll_out(some, places)}
        batches, explored = [], []
        for each in candidates:
            sample = taken[self.known(each).number]
            for start in range(0, len(places), size):
                batches.append(BatchRollout(sample.stage.module, sample.rollouts[start : start + size]))
                explored.append(each)
        examples = [run.data.train[place] for place in places]
        dataset = {"inputs": [x for x, _ in examples], "infos": [info for _, info in examples]}
        return Samples(batches, explored, dataset, list(places), list(taken.values()))

    # ---- proposing

    def propose(self, samples: Samples, count: int) -> list[ModuleCandidate]:
        """`count` candidates for each minibatch: new ones, or the explored one where nothing else was proposed.

        Optimizers take turns. What they ask their models at the same time goes out together, for all minibatches that
        do not share the parameters of a stage.
        """
        made: list[ModuleCandidate | None] = [None] * (samples.n_batchrollouts * count)
        for some in self._rounds(samples, count):
            asked = [(sample, optimizer) for _, sample, optimizer, _ in some]
            for sample, _ in asked:
                sample.stage.put(sample.candidate)
            with self._in_context(some):
                found = self.run.ask(asked, retain_graph=len(self._optimizers) > 1)
            for (place, sample, optimizer, which), new in zip(some, found, strict=True):
                made[place] = self._placed(sample, optimizer, which, new)
        self.asked += len(made)
        return [samples.candidates[place // count] if new is None else new for place, new in enumerate(made)]

    @contextmanager
    def _in_context(self, some: Sequence[tuple[int, Sample, Any, int]]) -> Iterator[None]:
        """Optimizers have the context at the end of their objective meanwhile."""
        told = [(each, self._objectives[which]) for _, _, each, which in some if self.context]
        for optimizer, objective in told:
            optimizer.objective = f"{objective}\n\n{self.context}"
        try:
            yield
        finally:
            for optimizer, objective in told:
                optimizer.objective = objective

    def _rounds(self, samples: Samples, count: int) -> Iterator[list[tuple[int, Sample, Optimizer, int]]]:
        """What can be asked at the same time: where a proposal goes, its sample, its optimizer, and which one this is.

        Parameters hold the feedback of one minibatch at a time, sent by one kind of optimizer.
        """
        taken = {sample.candidate.number: sample for sample in samples.taken}
        jobs: dict[Any, dict[Any, list[tuple[int, int]]]] = {}
        begun: dict[int, int] = {}
        for number, (batch, candidate) in enumerate(zip(samples.batches, samples.candidates, strict=True)):
            whole = taken[self.known(candidate).number]
            part = begun.get(id(candidate), 0)
            begun[id(candidate)] = (part + len(batch)) % len(whole.rollouts)
            for place in range(number * count, (number + 1) * count):
                which = (self.asked + place) % len(self._optimizers)
                turn = (part, which) if self.run.stages.copyable else (part, which, whole.candidate.number)
                jobs.setdefault(turn, {}).setdefault(whole.candidate.number, []).append((place, number))
        for (part, which, *_), by_candidate in jobs.items():
            some: list[tuple[int, Sample, Optimizer, int]] = []
            for key, places in by_candidate.items():
                whole, batch = taken[key], samples.batches[places[0][1]]
                there = whole.places[part : part + len(batch)]
                sample = Sample(whole.candidate, whole.stage, there, batch.rollouts)
                optimizers = self._ready(whole.stage, which, whole.candidate, len(places))
                some += [(place, sample, each, which) for (place, _), each in zip(places, optimizers, strict=True)]
            yield some

    def _ready(self, stage: Stage, which: int, candidate: ModuleCandidate, count: int) -> list[Optimizer]:
        """Optimizers for the parameters of a stage, in the state that a candidate's proposals begin with."""
        base = self._on_stage(stage, which)
        state = self.states.get(candidate.number if self._decoupled else -1, self.first)[which]
        base.load_state_dict(copy.deepcopy(state))
        return [base, *(copy.deepcopy(base) for _ in range(count - 1))]

    def _on_stage(self, stage: Stage, which: int) -> Optimizer:
        if which == 0:
            return stage.optimizer
        key = (which, id(stage.module))
        if key not in self._on_stages:
            optimizer = self._optimizers[which]
            if stage is not self.run.stages[0]:
                optimizer = rebound(optimizer, dict(zip(stage.originals, stage.parameters, strict=True)))
            self._on_stages[key] = optimizer
        return self._on_stages[key]

    def _placed(
        self, sample: Sample, optimizer: Optimizer, which: int, new: ModuleCandidate | None
    ) -> ModuleCandidate | None:
        """The new candidate, or the older one that has its values; both it and its parent go on from this state."""
        parent, state = sample.candidate.number, copy.deepcopy(optimizer.state_dict())
        before = self.states.get(parent if self._decoupled else -1, self.first)
        after = [state if place == which else old for place, old in enumerate(before)]
        self.states[parent if self._decoupled else -1] = after
        self.changed.add(parent if self._decoupled else -1)
        if new is None:
            return None
        twin = self.run.archive.twin_of(new)
        if twin is not None and twin is not new:
            self.run.archive.reject(new, f"it has the values of candidate {twin.number}")
            return twin
        if self._decoupled:
            self.states[new.number] = after
            self.changed.add(new.number)
        return new

    def screened(
        self, proposed: Sequence[ModuleCandidate], samples: Samples, screening: Screening
    ) -> list[ModuleCandidate]:
        """The proposed candidates, with the parents in the place of those that are not worth running."""
        known = {id(each): self.known(each) for each in proposed}
        new = {id(each): each for each in known.values() if each.status != "accepted"}
        kept = {id(each) for each in screening.keep(self.run, list(new.values()))} if new else set()
        return [
            _explored_parent(made, samples) if id(made) in new and id(made) not in kept else each
            for each, made in ((each, known[id(each)]) for each in proposed)
        ]

    # ---- judging

    def judged(
        self, candidates: Sequence[ModuleCandidate], places: Sequence[int]
    ) -> dict[ModuleCandidate, list[dict[str, Any]]]:
        """The rollouts of candidates on examples that candidates are compared on, as dicts.

        What a candidate was judged on before is not run again: such a dict has `"cached": True` besides.
        """
        run, split = self.run, self.run.validation
        before = {each.number: {place: each.table(split).count(place) for place in places} for each in candidates}
        run.evaluate(candidates, places)
        return {
            each: [self._rollout(each, split, place, cached=before[each.number][place] > 0) for place in places]
            for each in candidates
        }

    def sampled(self, samples: Samples, candidate: ModuleCandidate) -> list[dict[str, Any]]:
        """The rollouts of an explored candidate, as dicts."""
        found = next(each for each in samples.taken if each.candidate is candidate)
        return [{**vars(each), **self._numbers(each.score)} for each in found.rollouts]

    def rollouts(self, candidate: ModuleCandidate) -> list[dict[str, Any]]:
        """All scores of a candidate on the examples that candidates are compared on, as rollouts of a memory."""
        found = [self._numbers(score) for _, some in candidate.table(self.run.validation).items() for score in some]
        return [{**dict.fromkeys(("module", "x", "info", "target", "feedback")), **each} for each in found]

    def _rollout(self, candidate: ModuleCandidate, split: str, place: int, *, cached: bool) -> dict[str, Any]:
        x, info = self.run.data.split(split)[place]
        rollout = {"module": candidate.base_module, "x": x, "info": info, "target": None, "feedback": None}
        rollout.update(self._numbers(candidate.table(split).at(place)[-1]))
        return {**rollout, "cached": True} if cached else rollout

    def _numbers(self, score: Score) -> dict[str, Any]:
        if isinstance(score, Mapping):
            return {"score": scalar(score, self.run.plan.objective_config), "score_dict": dict(score)}
        return {"score": float(score)}


def _own_name(name: str) -> str:
    """The name of a parameter, also for one of a copied program."""
    return name.partition("_copy")[0]


def _explored_parent(candidate: ModuleCandidate, samples: Samples) -> ModuleCandidate:
    explored = [each.candidate for each in samples.taken]
    return next((each for each in explored if each in candidate.parents), explored[0])


def blanked(candidate: ModuleCandidate) -> None:
    """Let a candidate's rollouts keep their scores alone, so that a memory holds no program and no graph."""
    for rollout in reversed(candidate.rollouts):
        others = [name for name in rollout if name not in _KEPT and rollout[name] is not None]
        if not others:
            break
        for name in others:
            rollout[name] = None
