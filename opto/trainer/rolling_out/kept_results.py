"""Evaluations of one pass in a cache of results: found there, and put there as soon as an attempt has reported them."""

from __future__ import annotations

from dataclasses import replace

from opto.trainer.guides.base import Guide
from opto.trainer.results import Result, ResultCache
from opto.trainer.rolling_out.dispatching import Outcome
from opto.trainer.rolling_out.evaluation import Evaluation
from opto.trainer.rolling_out.failures import failure_of, told
from opto.trainer.rolling_out.programs import Judging, score_in
from opto.trainer.rolling_out.work import Report

__all__ = ["KeptResults"]

_SAME = object()  # stands for the result of an earlier, equal request


class KeptResults:
    """What a pass knows, and what it adds to the cache.

    Args:
        cache: of results; None for none.
        guide: judges.
        judging: what it is asked for.
    """

    def __init__(self, cache: ResultCache | None, guide: Guide, judging: Judging) -> None:
        self._cache, self._guide, self._judging = cache, guide, judging
        self._under_way: set[str] = set()
        self._passing: dict[str, Evaluation] = {}  # what is not kept, for equal requests of this pass
        self._error: Exception | None = None

    def outcome(self, key: str) -> Outcome | None:
        """The outcome of a request that need not be made, because it is known or an equal one comes earlier."""
        if self._cache is None:
            return None
        if key in self._under_way:  # its result will be there when this one's turn comes
            return Outcome(_SAME, attempts=0)
        self._under_way.add(key)
        found = self._cache.get(key)
        return None if found is None else Outcome(found, attempts=0)

    def keep(self, key: str, report: Report) -> None:
        """Keep what an attempt came to, if it holds for good. It is called where the attempt ended."""
        assert self._cache is not None
        if report.timed_out or report.passing or not (report.error is None or report.lasting):
            return
        try:
            made = self._made(Outcome(report.value, report.error, report.seconds, lasting=report.lasting))
        except Exception:  # a score of the wrong kind, for example, which is told of when its turn comes
            return
        try:
            self._cache.put(key, Result(made.score, made.feedback, made.failure is not None, made.seconds))
        except Exception as error:  # a full disk, for example: likewise
            self._error = error

    def evaluation(self, key: str, outcome: Outcome) -> Evaluation:
        """What the outcome of the next request means.

        Raises:
            Exception: what it failed with, if that is no failure of the program.
            Exception: results cannot be written.
        """
        if self._error is not None:
            raise self._error
        if isinstance(outcome.value, Result):
            assert self._cache is not None
            return _known(outcome.value, fresh=self._cache.use(key))
        if outcome.value is _SAME:
            return self._same(key)
        made = self._made(outcome)
        if self._cache is None:
            return made
        if made.failure is not None and not outcome.lasting:
            self._passing[key] = made
            return made
        return made if self._cache.use(key) else replace(made, fresh=False)

    def _same(self, key: str) -> Evaluation:
        assert self._cache is not None
        if key in self._passing:
            return replace(self._passing[key], fresh=False)
        found = self._cache.get(key)
        assert found is not None
        return _known(found, fresh=False)

    def _made(self, outcome: Outcome) -> Evaluation:
        failure = failure_of(outcome.error)
        if outcome.error is not None:
            return Evaluation(None, told(outcome.error), failure, outcome.seconds, outcome.attempts)
        score, feedback = outcome.value
        plain = score_in(score, self._judging, self._guide)
        return Evaluation(plain, feedback, None, outcome.seconds, outcome.attempts)


def _known(found: Result, *, fresh: bool) -> Evaluation:
    failure = "error" if found.failed else None
    return Evaluation(found.score, found.feedback, failure, found.seconds, attempts=0, cached=True, fresh=fresh)
