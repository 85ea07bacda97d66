"""The part of a priority search that keeps to the plan: what must be proved, and what must not get worse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from opto.trainer.algorithms.resuming import ResumableSearch
from opto.trainer.candidates import ModuleCandidate
from opto.trainer.plan import Plan
from opto.trainer.priority.exploration import Exploration, blanked
from opto.trainer.priority.priorities import Memories
from opto.trainer.strategies.acceptance import unregressed
from opto.trainer.strategies.verdicts import Verdict, checked_pinned, compared

__all__ = ["JudgingSearch"]


class JudgingSearch(ResumableSearch):
    """Decides what may be the best candidate of a priority search, and what may be in its memory.

    With a `confidence` above 0.5, the candidate that `exploit` names is judged on all examples that the best one has
    scores of, and takes its place only if the evidence there is as sure as that. Until then both are explored; the best
    one needs no place in a memory. With `pinned` examples, a new candidate is judged on these before it goes into one.
    """

    _memories: Memories
    _dropped: list[ModuleCandidate]
    _best_candidate: ModuleCandidate | None = None
    _rollouts: int = 0

    def exploit(self, **kwargs: Any) -> tuple[ModuleCandidate, float, dict[str, Any]]:
        """The candidate that should be the best, its score, and what is to be logged."""
        raise NotImplementedError

    def compute_exploration_priority(self, candidate: ModuleCandidate) -> float:
        """How urgent it is to explore a candidate."""
        raise NotImplementedError

    @property
    def _bridge(self) -> Exploration:
        raise NotImplementedError

    def _check_plan(self, plan: Plan) -> None:
        """Refuse what a subclass cannot keep to."""

    @property
    def _doubts(self) -> bool:
        """Whether a candidate must prove that it is better than the best one."""
        return self._run.plan.confidence > 0.5

    def _in_memory(self, candidate: ModuleCandidate) -> bool:
        return any(candidate in memory for memory in self._memories.all)

    def _is_unbeaten(self, candidate: ModuleCandidate) -> bool:
        """Whether it is the best one, and stays so without a place in a memory."""
        return self._doubts and candidate is self._run.best

    def _settle(self) -> dict[str, Any]:
        """Find the best candidate, and let the run end with it."""
        self._best_candidate, _, told = self.exploit(verbose=self._reporting.verbose)
        run, best = self._run, self._bridge.known(self._best_candidate)
        if best is run.best:
            return told
        if self._doubts:
            verdict = self._against_best(best)
            if not verdict.better:
                self._best_candidate = run.best
                return told
            best.verdict = verdict.words
            run.archive.touch(best)
            if not self._in_memory(run.best):
                self._dropped.append(run.best)
                run.archive.reject(run.best, f"candidate {best.number} is better: {verdict.words}")
        run.replace_best(best)
        return told

    def _against_best(self, candidate: ModuleCandidate) -> Verdict:
        """How it does beside the best one, where that has scores; it is not judged further if it is behind by now."""
        run = self._run
        mine, theirs = (each.table(run.validation) for each in (candidate, run.best))
        places = sorted(theirs)
        common = [place for place in places if place in mine]
        if common and mine.mean(common) <= theirs.mean(common):
            return Verdict(better=False, worse=False, words="no better on the examples in common")
        self._judge_further([candidate], places)
        return compared(run, candidate, run.best, places)

    def _unregressed(self, judged: Iterable[ModuleCandidate]) -> list[ModuleCandidate]:
        """Those that may go into a memory: not worse than the first one at pinned examples. The others are rejected."""
        run, every = self._run, list(judged)
        new = [each for each in every if each.status != "accepted"]
        if not run.plan.pinned or not new:
            return every
        self._judge_further([run.archive[0], *new], checked_pinned(run))
        kept = {each.number for each in unregressed(run, new)}
        return [each for each in every if each.status == "accepted" or each.number in kept]

    def _judge_further(self, candidates: Sequence[ModuleCandidate], places: Sequence[int]) -> None:
        """Judge candidates on further examples; those in a memory get the priority that is due to them now."""
        for candidate, rollouts in self._bridge.judged(candidates, places).items():
            fresh = [each for each in rollouts if not each.get("cached")]
            candidate.add_rollouts(fresh)
            blanked(candidate)
            self._rollouts += len(fresh)
            for memory in self._memories.all:
                if memory.remove(candidate) is not None:
                    memory.push(self.compute_exploration_priority(candidate), candidate)
            self._memories.rank([candidate])
