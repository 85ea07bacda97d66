"""Acceptance for a pool of candidates that are each best at something, with few evaluations."""

from __future__ import annotations

import math
from collections.abc import Sequence

from opto.optimizers.options import checked_count
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.evidence.comparing import compare
from opto.trainer.objectives import to_scalar_score
from opto.trainer.plan import Plan
from opto.trainer.pool.fronts import KINDS, Fronts
from opto.trainer.run import Run
from opto.trainer.score_tables import ScoreTable
from opto.trainer.strategies.acceptance import Comparing, worse_when_pinned
from opto.trainer.strategies.verdicts import regressed, settled

__all__ = ["OnFronts"]

_LEAST = 5
"""On how many examples candidates are compared, at least."""

_PUT_OFF = "no worse than its parent"
"""How the verdict begins on a candidate whose validation was put off."""

_PATIENCE = 3
"""After how many steps without a new accepted candidate the leading one is settled."""


class OnFronts(Comparing):
    """Accepts what beats its parent on the minibatch and is then best at something on the validation examples.

    GEPA's acceptance (arXiv 2507.19457, section 3), which pays less for what is not worth it:

    1. **Gate.** A candidate is run on the examples that its parent's feedback was about, and goes on if its sum of
       scores is higher than the parent's. A merged candidate is run on a few validation examples instead, at which its
       parents differ, and goes on if it is no worse than the better of them.
       Of several candidates of one parent only the first that passes goes on; those after it are not run.
    2. **Validation** in growing batches. A candidate that is best at none of the examples seen is rejected as soon as
       it is clearly worse than the leading candidate, or cannot become the best any more. One that does not do worse
       than its parent is accepted after the first batch, and the rest is put off: it counts as what its parent is where
       it was not run. Most candidates are outdone by their own children before the rest would matter.

    The rest is paid for (`settle`, at the beginning of steps and at the end) when a candidate leads and nothing better
    came for some steps, or it seems to have reached the target, or evaluations run out. Until then the one that leads
    by what is known is the best candidate, and gives way when the rest shows that it is not. Where the plan asks for
    confidence, or scores are bought again, only what was scored on all validation examples can take that place.

    Args:
        first: the part of the validation examples that the first batch has, at least five; each further batch doubles
            what was seen. 1 pays for all at once.
        defer: whether the rest is put off, which is possible with fronts over examples.
        kind: what there is a front for, see `ParetoParents`.
        max_repeats: how often a candidate and the best one are evaluated on each example, at most, while it is
            undecided which is better.
    """

    def __init__(self, *, first: float = 0.1, defer: bool = True, kind: str = "examples", max_repeats: int = 1) -> None:
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}, got {kind!r}.")
        if not 0 < first <= 1:
            raise ValueError(f"first must be a part of the examples, above 0 and up to 1, got {first!r}.")
        self.first, self.kind, self.max_repeats = first, kind, checked_count("max_repeats", max_repeats)
        self.defer = defer and kind == "examples"

    def judge(self, run: Run, candidates: list[ModuleCandidate]) -> None:
        """Gate, then validation."""
        changed = [each for each in candidates if len(each.parents) < 2]
        passed = self._through_gate(run, changed) if run.minibatch else changed
        passed += [each for each in candidates if len(each.parents) > 1 and self._is_good_merge(run, each)]
        for each in passed:
            self._validate(run, each)
        self._follow(run)

    def evaluations(self, plan: Plan, compared: int) -> tuple[int, int]:
        """Those of a step, the least and the most; see `Search.workload`."""
        return 0, plan.batch_size * plan.num_proposals + compared

    # ---- before anything is paid for on all examples

    def _through_gate(self, run: Run, candidates: Sequence[ModuleCandidate]) -> list[ModuleCandidate]:
        """The first of each parent that beats it on the minibatch; the others are rejected."""
        passed: dict[int, ModuleCandidate] = {}
        for each in candidates:
            parent = each.parents[0]
            sibling = passed.get(parent.number)
            if sibling is not None:
                why = f"not run, for candidate {sibling.number} of the same parent passed before it"
                run.archive.reject(each, why)
            elif (gain := self._gain(run, each, parent)) > 0:
                passed[parent.number] = each
            else:
                run.archive.reject(each, f"no better than candidate {parent.number} on the minibatch ({gain:+.4g})")
        return list(passed.values())

    @staticmethod
    def _gain(run: Run, candidate: ModuleCandidate, parent: ModuleCandidate) -> float:
        """By how much a candidate is better than its parent on the minibatch."""
        places = list(dict.fromkeys(run.minibatch))
        run.evaluate([parent, candidate], places, split="train")
        return _latest(run, candidate, places) - _latest(run, parent, places)

    def _is_good_merge(self, run: Run, candidate: ModuleCandidate) -> bool:
        """Whether a merged candidate is no worse than its parents on examples at which they differ; else rejected."""
        tables = [each.table(run.validation) for each in candidate.parents]
        shared = [place for place in run.validation_places() if all(place in table for table in tables)]
        run.random.shuffle(shared)
        for_each = [
            [place for place in shared if tables[0].mean_at(place) > tables[1].mean_at(place)],
            [place for place in shared if tables[0].mean_at(place) < tables[1].mean_at(place)],
        ]
        places = _alternating(for_each, _LEAST)
        places += [place for place in shared if place not in places][: _LEAST - len(places)]
        if not places:
            return True
        run.evaluate([candidate], places)
        mine, theirs = candidate.table(run.validation).mean(places), max(table.mean(places) for table in tables)
        if mine < theirs:
            verdict = f"{mine:.4g} against {theirs:.4g} of its parents on {len(places)} examples"
            run.archive.reject(candidate, verdict)
        return mine >= theirs

    # ---- validation

    def _validate(self, run: Run, candidate: ModuleCandidate) -> None:
        lost = regressed(run, candidate)
        if lost:
            run.archive.reject(candidate, worse_when_pinned(lost))
            return
        every = list(run.validation_places())
        table, fronts = candidate.table(run.validation), self._fronts(run)
        waiting = run.random.sample(every, len(every))
        while waiting := [place for place in waiting if place not in table]:
            run.evaluate([candidate], waiting[: self._batch(len(every), len(table))])
            left = len(every) - len(table)
            if not left:
                break
            if self.defer and self._holds_up(run, candidate):
                run.archive.accept(candidate, f"{_PUT_OFF} on {len(table)} of {len(every)} examples")
                return
            why = self._hopeless(run, table, left)
            if why and not (self.kind != "objectives" and fronts.wins(candidate)):
                run.archive.reject(candidate, why)
                return
        if fronts.reaches(candidate):
            run.archive.accept(candidate, f"{table.mean():.4g} on {len(every)} examples")
            self._crown(run, candidate)
        else:
            run.archive.reject(candidate, f"{table.mean():.4g} on {len(every)} examples, best at none")

    def _holds_up(self, run: Run, candidate: ModuleCandidate) -> bool:
        """Whether a candidate is no worse than its parent where it was run on validation examples."""
        table, fronts = candidate.table(run.validation), self._fronts(run)
        before = [fronts.score_at(candidate.parents[0], place) for place in table]
        pairs = [(table.mean_at(place), old) for place, old in zip(table, before, strict=True) if old is not None]
        return math.fsum(new for new, _ in pairs) >= math.fsum(old for _, old in pairs)

    def _hopeless(self, run: Run, table: ScoreTable, left: int) -> str:
        """Why a candidate with these scores will not become the best; "" where it may."""
        fronts, seen, high = self._fronts(run), len(table), run.plan.highest
        best = fronts.estimate(run.best) if self._leads(run) else run.score(run.best)
        given_up = f"given up after {seen} of {seen + left} examples"
        if high is not None and (table.mean() * seen + high * left) / (seen + left) < best:
            return f"{given_up}: it cannot reach {best:.4g} any more"
        leader = fronts.leader() or run.best
        known = {place: [score] for place in table if (score := fronts.score_at(leader, place)) is not None}
        evidence = compare(known, table.numbers(known)) if len(known) >= _LEAST else None
        return f"{given_up}: against candidate {leader.number} {evidence}" if evidence and evidence.worse else ""

    # ---- what was put off

    def settle(self, run: Run, *, last: bool = False) -> bool:
        """Pay for the rest of the examples of the leading candidate, if it is time.

        Args:
            run: the run.
            last: whether this is the end of the run, when it is time anyway.

        Returns:
            Whether anything was evaluated.
        """
        leader = self._fronts(run).leader()
        if leader is None:
            return False
        if not self._left(run, leader):
            if leader.verdict.startswith(_PUT_OFF):  # and since then feedback has paid for the rest
                self._crown(run, leader)
            return False
        if not (last or self._is_time(run, leader)):
            return False
        paid = 0
        every = len(run.validation_places())
        while left := self._left(run, leader):
            batch = left[: self._batch(every, len(leader.table(run.validation)))]
            if run.remaining is not None and len(batch) > run.remaining:
                return paid > 0
            run.evaluate([leader], batch)
            paid += len(batch)
            if self._left(run, leader) and self._fronts(run).leader() is not leader:
                self._follow(run)
                return True  # it was not as good as it seemed
        self._crown(run, leader)
        return True

    def _is_time(self, run: Run, leader: ModuleCandidate) -> bool:
        target, remaining = run.plan.target_score, run.remaining
        if target is not None and max(self._fronts(run).estimate(leader), run.score(leader)) >= target:
            return True
        left = len(self._left(run, leader))
        step = run.plan.batch_size * (1 + run.plan.num_proposals) + self._batch(len(run.validation_places()), 0)
        if remaining is not None and left <= remaining < left + step:
            return True
        return run.counts.steps - run.archive.accepted[-1].step >= _PATIENCE

    def _crown(self, run: Run, candidate: ModuleCandidate) -> None:
        """Let a candidate that was scored on all examples take the place of the best one, if it is better."""
        every = run.validation_places()
        if self._leads(run):
            candidate.verdict = f"{run.score(candidate):.4g} on {len(every)} examples"
            run.archive.touch(candidate)
            self._follow(run)
            return
        run.evaluate([run.best], every)  # nothing is paid for what it has
        verdict = settled(run, candidate, run.best, every, self.max_repeats)
        candidate.verdict = verdict.words
        run.archive.touch(candidate)
        if verdict.better:
            run.replace_best(candidate)

    def _leads(self, run: Run) -> bool:
        return self.defer and self.max_repeats == 1 and run.plan.confidence == 0.5

    def _follow(self, run: Run) -> None:
        """Let the best candidate be the one that leads; the rest is paid at once where the run could end with it."""
        leader = self._fronts(run).leader() if self._leads(run) else None
        if leader is None:
            return
        if leader is not run.best:
            run.replace_best(leader)
        target = run.plan.target_score
        if target is not None and run.score(leader) >= target:
            self.settle(run)

    def _fronts(self, run: Run) -> Fronts:
        return run.archive.fronts(run.validation, self.kind)

    def _batch(self, every: int, seen: int) -> int:
        return max(math.ceil(self.first * every), seen, _LEAST)

    @staticmethod
    def _left(run: Run, candidate: ModuleCandidate) -> list[int]:
        table = candidate.table(run.validation)
        return [place for place in run.validation_places() if place not in table]


def _latest(run: Run, candidate: ModuleCandidate, places: Sequence[int]) -> float:
    """The sum of the newest scores on training examples: those that feedback was given on, of a parent.

    Older ones had a part in the choice of the examples, and would make it look worse than it is where scores are noisy.
    """
    table, config = candidate.table("train"), run.plan.objective_config
    return math.fsum(to_scalar_score(table.at(place)[-1], config) for place in places)


def _alternating(lists: Sequence[list[int]], count: int) -> list[int]:
    """The first of each, then the second of each..., so many in all."""
    longest = max(map(len, lists))
    return [each[turn] for turn in range(longest) for each in lists if turn < len(each)][:count]
