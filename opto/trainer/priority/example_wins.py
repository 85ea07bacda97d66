"""Which of some candidates are the best on which example, kept up as candidates come and go."""

from __future__ import annotations

from opto.trainer.candidates import ModuleCandidate
from opto.trainer.pool.standings import Standings

__all__ = ["ExampleWins"]


class ExampleWins:
    """On how many examples each of some candidates has the highest mean score; those that tie win together.

    A change costs a few bisections for each example that the candidate was scored on, however many others there are;
    where the only winner leaves, also a step for each of those that win in its place.

    Args:
        split: of the data whose scores count.
    """

    def __init__(self, split: str) -> None:
        self.split = split
        self.clear()

    def clear(self) -> None:
        """Forget all candidates."""
        self._members: dict[int, ModuleCandidate] = {}
        self._without: ModuleCandidate | None = None
        self._scores: dict[int, Standings] = {}  # by example
        self._winners: dict[int, set[int]] = {}
        self._tops: dict[int, float] = {}
        self._wins: dict[int, int] = {}

    def put(self, candidate: ModuleCandidate) -> None:
        """Take in a candidate, which may be known already, with other scores."""
        self._members[candidate.birth] = candidate
        if candidate is not self._without:
            self._enter(candidate)

    def drop(self, candidate: ModuleCandidate) -> None:
        """Forget a candidate, which may not be known."""
        if self._members.pop(candidate.birth, None) is not None:
            self._leave(candidate)

    def without(self, candidate: ModuleCandidate | None) -> None:
        """Leave a candidate out from now on, as if it were not here, and no other; None for none."""
        before, self._without = self._without, candidate
        if before is candidate:
            return
        if before is not None and before.birth in self._members:
            self._enter(before)
        if candidate is not None:
            self._leave(candidate)

    def counts(self) -> list[tuple[ModuleCandidate, int]]:
        """How many examples each wins, the oldest first; those that win none are left out."""
        return [(self._members[birth], self._wins[birth]) for birth in sorted(self._wins)]

    # ---- internals

    def _enter(self, candidate: ModuleCandidate) -> None:
        table = candidate.table(self.split)
        for place in table:
            if self._scores.setdefault(place, Standings()).put(candidate.birth, -table.mean_at(place)):
                self._changed(place, candidate.birth)

    def _leave(self, candidate: ModuleCandidate) -> None:
        for place in candidate.table(self.split):
            if place in self._scores and self._scores[place].drop(candidate.birth):
                self._changed(place, candidate.birth)

    def _changed(self, place: int, birth: int) -> None:
        """Find out who wins at an example after one candidate came, went, or has another score there."""
        scores, winners = self._scores[place], self._winners.setdefault(place, set())
        if scores and scores.least == self._tops.get(place):
            if (birth in scores and scores[birth] == scores.least) != (birth in winners):
                self._count(winners, [birth], -1 if birth in winners else 1)
            return
        self._count(winners, list(winners), -1)
        if scores:
            self._tops[place] = scores.least
            self._count(winners, [each for _, each in next(scores.heads(len(scores)))], 1)
        else:
            del self._scores[place], self._winners[place], self._tops[place]

    def _count(self, winners: set[int], births: list[int], change: int) -> None:
        (winners.update if change > 0 else winners.difference_update)(births)
        for each in births:
            self._wins[each] = self._wins.get(each, 0) + change
            if not self._wins[each]:
                del self._wins[each]
