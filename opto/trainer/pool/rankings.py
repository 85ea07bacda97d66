"""The accepted candidates of a run by their mean scores, kept in order with each new score."""

from __future__ import annotations

from collections.abc import Callable

from opto.trainer.candidates import ModuleCandidate
from opto.trainer.pool.standings import Standings

__all__ = ["Ranking"]


class Ranking:
    """Accepted candidates by mean score, all together and apart by the number of examples that they were scored on.

    Each candidate whose scores changed is put into its new place when something is asked, so that what is asked takes
    no longer with many candidates. It depends on the scores alone, not on their order.

    Args:
        split: of the data whose scores count.
    """

    def __init__(self, split: str) -> None:
        self.split = split
        self._members: dict[int, ModuleCandidate] = {}
        self._stale: dict[int, None] = {}
        self._all = Standings()
        self._apart: dict[int, Standings] = {}  # by the number of examples
        self._seen: dict[int, int] = {}
        self._total = 0

    def add(self, candidate: ModuleCandidate) -> None:
        """Take in a candidate that was accepted, with the scores that it has."""
        self._members[candidate.number] = candidate
        self._stale[candidate.number] = None

    def scored(self, candidate: ModuleCandidate, split: str) -> None:
        """Note that a candidate has a new score; one that was not accepted does not count."""
        if split == self.split and candidate.number in self._members:
            self._stale[candidate.number] = None

    @property
    def examples(self) -> int:
        """On how many examples all candidates were scored, added up."""
        self._refresh()
        return self._total

    def top(self, count: int) -> list[ModuleCandidate]:
        """Those with the highest means, the best first; of equal ones the older. Those without scores come last."""
        self._refresh()
        return [self._members[number] for number in self._all.leading(count)]

    def top_bounds(self, count: int, bound: Callable[[ModuleCandidate], float]) -> list[ModuleCandidate]:
        """Those with the highest bounds, the best first; of equal ones the older.

        Args:
            count: how many, at most.
            bound: of candidates with the same number of examples, it must not be lower for one with a higher mean.
        """
        self._refresh()
        found: list[tuple[float, int]] = []
        for standings in self._apart.values():
            apart: list[tuple[float, int]] = []
            for equal in standings.heads(count):
                value = -bound(self._members[equal[0][1]])
                # Bounds of unlike means may be equal, being rounded: then the older one comes first.
                if len(apart) >= count and value > apart[count - 1][0]:
                    break
                apart = sorted([*apart, *((value, number) for _, number in equal)])[:count]
            found.extend(apart)
        return [self._members[number] for _, number in sorted(found)[:count]]

    def _refresh(self) -> None:
        stale, self._stale = self._stale, {}
        for number in stale:
            table = self._members[number].table(self.split)
            seen, before = len(table), self._seen.get(number, 0)
            mean = table.mean() if seen else 0.0
            self._all.put(number, (not seen, -mean))
            if before != seen and number in self._seen:
                self._leave(number, before)
            self._apart.setdefault(seen, Standings()).put(number, -mean)
            self._seen[number] = seen
            self._total += seen - before

    def _leave(self, number: int, seen: int) -> None:
        self._apart[seen].drop(number)
        if not self._apart[seen]:
            del self._apart[seen]
